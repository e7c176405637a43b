import { spawn } from 'node:child_process';
import { PalyraError, systemCode } from '../kernel/errors.ts';
import { TOOL_PATH } from './run-tool.ts';
import type { ServiceMachine } from './service-machine.ts';
import type { LogsRequest } from './service-manager.ts';
import type { UnitPlace } from './systemd-unit.ts';

const unitMatch = ({ name, scope }: UnitPlace): string => (scope === 'user' ? `--user-unit=${name}` : `--unit=${name}`);

/** The last lines that the journal has of a unit since a moment. */
export async function lastLines(
  { run }: ServiceMachine,
  place: UnitPlace,
  { sinceUnixMs, lines }: { sinceUnixMs: number; lines: number },
): Promise<string[]> {
  const since = `--since=@${Math.floor(sinceUnixMs / 1000)}`;
  const flags = ['--quiet', '--no-pager', '--output=cat', `--lines=${lines}`, since];
  const { stdout } = await run('journalctl', [...flags, unitMatch(place)]);
  return stdout.split('\n').filter((line) => line !== '');
}

/** Shows a unit's journal on our own standard output; resolves with the reader's exit code. */
export async function showJournal(place: UnitPlace, { follow, lines, format }: LogsRequest): Promise<number> {
  const output = format === 'ndjson' ? ['--output=json'] : ['--output=short-iso', '--no-hostname'];
  const flags = ['--no-pager', '--quiet', `--lines=${lines}`, ...output, ...(follow ? ['--follow'] : [])];
  const child = spawn('journalctl', [...flags, unitMatch(place)], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, PATH: TOOL_PATH },
  });
  return await new Promise((resolve, reject) => {
    child.once('error', (error) => {
      const missing = new PalyraError('unsupported_platform', 'this machine has no journalctl to read the log with', {
        cause: error,
      });
      reject(systemCode(error) === 'ENOENT' ? missing : error);
    });
    child.once('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)));
  });
}

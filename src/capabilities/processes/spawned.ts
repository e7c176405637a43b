import { Readable } from 'node:stream';
import { execa } from 'execa';
import { PalyraError, systemCode } from '../../kernel/errors.ts';
import { LIMITS } from '../../kernel/limits.ts';
import { showPath } from '../files/path-text.ts';
import type { ProgramEnd } from './process-host.ts';

/** What becomes of descriptor 0, 1, 2 and further ones in the child. */
type ChildDescriptors = readonly ['ignore' | 'pipe' | number, 'pipe' | number, 'pipe' | number, ...number[]];

interface SpawnOptions {
  readonly stdio: ChildDescriptors;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly argv0?: string | undefined;
}

/** A program that execa started, or could not start: then it has no pid. */
export type Spawned = ReturnType<typeof spawnProgram>;

/** Starts a program as everywhere here: nothing is collected, nothing inherited, nobody but us ends it. */
export const spawnProgram = (file: string, args: readonly string[], { stdio, cwd, env, argv0 }: SpawnOptions) =>
  execa(file, args, {
    // execa takes any descriptor, its types know only those of one digit.
    stdio: stdio as readonly ['ignore' | 'pipe' | 3, 'pipe' | 3, 'pipe' | 3, ...3[]],
    cwd,
    env,
    ...(argv0 === undefined ? {} : { argv0 }),
    buffer: false,
    encoding: 'buffer',
    stripFinalNewline: false,
    reject: false,
    extendEnv: false,
    // An own session and process group.
    killDescendants: true,
    forceKillAfterDelay: false,
    cleanup: false,
    windowsHide: true,
  });

/** When the program itself is over: its pipes may be held open by others for long after. */
export const exitOf = ({ nodeChildProcess }: Spawned): Promise<ProgramEnd> =>
  new Promise((resolve) => {
    nodeChildProcess.once('exit', (code, signal) => {
      resolve({ exitCode: code ?? undefined, signal: signal ?? undefined });
    });
  });

/** The streams that Node made. */
export const ownStreams = ({ nodeChildProcess: { stdin, stdout, stderr } }: Spawned) => ({
  stdin: stdin ?? undefined,
  stdout: stdout ?? nothing(),
  stderr: stderr ?? nothing(),
});

const nothing = (): Readable => Readable.from([]);

/** Why a program did not start, from execa's result. */
export function spawnFailure(result: { readonly code?: string | undefined; readonly cause?: unknown }, path: string) {
  const { cause } = result;
  const shown = showPath(path);
  switch (result.code ?? systemCode(cause)) {
    case 'ENOENT':
      // The program itself was opened a moment ago.
      return new PalyraError('program_not_executable', `the interpreter of ${shown} does not exist`, {
        hint: 'look at its first line; an end of line of Windows there counts as part of the name',
        cause,
      });
    case 'EACCES':
    case 'EPERM':
    case 'ENOEXEC':
    case 'ELIBBAD':
      return new PalyraError('program_not_executable', `the system refuses to execute ${shown}`, { cause });
    case 'E2BIG':
      return new PalyraError('spawn_failed', `the arguments or variables for ${shown} are too long for the system`, {
        hint: `one may have ${LIMITS.argumentBytes} bytes on Linux; pass more through stdin or a file`,
        cause,
      });
    case undefined:
    default:
      return new PalyraError('spawn_failed', `the system could not start ${shown}`, {
        hint: 'the node is short of processes, memory or descriptors, or the file is being written: try again',
        cause,
      });
  }
}

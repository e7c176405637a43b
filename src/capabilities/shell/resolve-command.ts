import { isAbsolute } from 'node:path';
import { PalyraError } from '../../kernel/errors.ts';
import { LIMITS } from '../../kernel/limits.ts';
import { type Account, ownAccount } from '../processes/own-account.ts';
import type { OpenedFolder, OpenedProgram, ProcessHost } from '../processes/process-host.ts';
import { checkRequestEnvironment } from './environment.ts';
import { matchProgram } from './match-program.ts';
import type { ShellInput } from './shell-input.ts';
import type { ShellRules } from './shell-rules.ts';

/** A call that was allowed, with what it was allowed for held open: exactly this runs. */
export interface ResolvedCommand {
  readonly program: OpenedProgram;
  readonly byPath: boolean;
  readonly args: readonly string[];
  readonly folder: OpenedFolder;
  /** As whom; `own` when that is the node's own user. */
  readonly account: Account;
  readonly own: boolean;
  /** The rule that allowed it, as `programs[3]`. */
  readonly rule: string;
  readonly warnings: readonly string[];
  close(): Promise<void>;
}

/**
 * Decides a call by the rules and opens program and folder. Errors: policy_denied, program_not_found,
 * program_not_executable, path_not_found, not_a_directory, path_outside_roots, no_permission, payload_too_large.
 */
export async function resolveCommand(
  input: ShellInput,
  rules: ShellRules,
  host: ProcessHost,
): Promise<ResolvedCommand> {
  checkRequestEnvironment(Object.keys(input.env ?? {}), rules.envFromRequest);
  const self = ownAccount();
  const account = rules.runAs === undefined ? self : await host.account(rules.runAs);
  const folder = await openFolder(input.cwd, account, rules, host);
  try {
    const script = input.script === undefined ? undefined : scriptOf(input.script, input, rules, host);
    const matched =
      script === undefined
        ? await matchProgram(input.argv ?? [], rules, host, folder.realPath)
        : { program: await host.openProgram(script.shell), byPath: true, rule: 'script' };
    const { program } = matched;
    return {
      ...matched,
      args: script?.args ?? input.argv?.slice(1) ?? [],
      folder,
      account,
      own: account.uid === self.uid,
      warnings: script?.warnings ?? [],
      async close() {
        await Promise.all([program.close(), folder.close()]);
      },
    };
  } catch (error) {
    await folder.close();
    throw error;
  }
}

async function openFolder(asked: string | undefined, { home }: Account, rules: ShellRules, host: ProcessHost) {
  if (asked !== undefined && !isAbsolute(asked)) {
    throw new PalyraError('invalid_argument', `the working folder must be an absolute path, not ${asked}`);
  }
  const wanted = asked ?? rules.defaultCwd;
  if (wanted !== undefined) return host.openFolder(wanted, rules.cwdRoots);
  try {
    return await host.openFolder(home, rules.cwdRoots);
  } catch (error) {
    // The users of services often have a home that is not there.
    if (!(error instanceof PalyraError)) throw error;
    return host.openFolder(rules.cwdRoots[0]?.configured ?? '/', rules.cwdRoots);
  }
}

/** A script line goes to its shell as one argument, byte for byte: nothing between the caller and it reads quotes. */
function scriptOf(line: string, { shell, line_endings }: ShellInput, rules: ShellRules, host: ProcessHost) {
  if (rules.script !== 'allow') {
    throw new PalyraError(
      'policy_denied',
      rules.script === 'ask'
        ? 'script lines wait for an answer at the machine, and nobody can answer yet'
        : "the node's policy does not allow script lines",
      { hint: 'give the program and its arguments; or its owner sets "script": "allow" in node-policy.json' },
    );
  }
  const path = rules.shells.find(
    (candidate) => shell === undefined || [candidate, fileName(candidate)].includes(shell),
  );
  if (path === undefined) {
    throw new PalyraError('policy_denied', `the node's policy does not allow the shell ${shell}`, {
      hint: `allowed: ${rules.shells.join(', ')}`,
    });
  }
  const text = line_endings === 'lf' ? line.replaceAll('\r\n', '\n') : line;
  const bytes = Buffer.byteLength(text);
  if (bytes > LIMITS.argumentBytes) {
    throw new PalyraError('payload_too_large', `a script line of ${bytes} bytes is too long`, {
      hint: `up to ${LIMITS.argumentBytes} bytes; pass it as standard input of ${path} instead`,
    });
  }
  const warnings = text.includes('\r\n')
    ? ['the script has line ends of Windows, which a POSIX shell reads as part of its words; ask for line_endings lf']
    : [];
  return { shell: path, args: host.scriptArguments(path, text), warnings };
}

const fileName = (path: string): string => path.split(/[\\/]/).at(-1) ?? path;

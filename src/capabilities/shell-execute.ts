import * as z from 'zod';
import { type Capability, type CapabilityContext, type Decision, defineCapability } from './capability.ts';
import { refusal } from './files/decide-path.ts';
import { DEVICE_MARK, type ProcessHost, REQUEST_MARK, type RunningProgram } from './processes/process-host.ts';
import { runProgram } from './processes/run-program.ts';
import { type ResolvedCommand, resolveCommand } from './shell/resolve-command.ts';
import { type ShellInput, shellInput } from './shell/shell-input.ts';
import { prepareShellRules, type ShellRules, shellPolicy } from './shell/shell-rules.ts';

const name = 'shell.execute';

/** Runs a program, or a script line where the owner allows that too. */
export const shellExecute = (host: ProcessHost): Capability<ShellInput, ShellRules> =>
  defineCapability({
    name,
    summary: 'Run a program, or a line of shell where that is allowed.',
    risk: 'executes',
    input: shellInput,
    output: z.strictObject({
      program: z.string(),
      cwd: z.string(),
      /** Of the program alone, without what it waited for on the node. */
      duration_ms: z.int().nonnegative(),
      stdout_bytes: z.int().nonnegative(),
      stderr_bytes: z.int().nonnegative(),
      warnings: z.array(z.string()),
    }),
    limits: { concurrency: 32 },
    policySchema: shellPolicy(host),
    prepare: prepareShellRules,
    unavailable: () => host.unavailable(),
    async decide(input, rules): Promise<Decision> {
      try {
        const command = await resolveCommand(input, rules, host);
        await command.close();
        return { allowed: true, rule: `capabilities["${name}"].${command.rule}` };
      } catch (error) {
        return refusal(error);
      }
    },
    async execute(input, rules, context) {
      const command = await resolveCommand(input, rules, host);
      try {
        return await run(command, input, rules, context, host);
      } finally {
        await command.close();
      }
    },
  });

async function run(
  command: ResolvedCommand,
  input: ShellInput,
  rules: ShellRules,
  context: CapabilityContext,
  host: ProcessHost,
) {
  const { clock, requestId, signal } = context;
  signal.throwIfAborted();
  const cgroup = context.cgroups?.create(requestId);
  try {
    const began = clock.monotonic();
    const running = await host.start({
      program: command.program,
      byPath: command.byPath,
      args: command.args,
      env: environmentOf(command, input, rules, context, host),
      folder: command.folder,
      stdin: context.stdin !== undefined,
      account: command.own ? undefined : command.account,
      limits: rules.limits,
      cgroup,
      requestId,
    });
    announce(running, context);
    const end = await runProgram(running, context);
    return {
      output: {
        program: command.program.path,
        cwd: command.folder.realPath,
        duration_ms: Math.round(clock.monotonic() - began),
        stdout_bytes: end.stdoutBytes,
        stderr_bytes: end.stderrBytes,
        warnings: [...command.warnings],
      },
      ...(end.exitCode === undefined ? {} : { exitCode: end.exitCode }),
      ...(end.signal === undefined ? {} : { signal: end.signal }),
      ...(end.treeKill === undefined ? {} : { treeKill: end.treeKill }),
    };
  } finally {
    cgroup?.remove();
  }
}

/** A ledger that cannot write it down must not leave a program running. */
function announce(program: RunningProgram, context: CapabilityContext): void {
  try {
    context.started(program.pid, program.startTime);
  } catch (error) {
    program.endTree(0, context.clock).catch(() => undefined);
    throw error;
  }
}

/** Nothing of the node's own gets in, so it is the same under a service manager and in a terminal. */
function environmentOf(
  { account }: ResolvedCommand,
  input: ShellInput,
  rules: ShellRules,
  { requestId, facts }: CapabilityContext,
  host: ProcessHost,
): Record<string, string> {
  return {
    ...host.environment(account, rules.path),
    ...rules.env,
    ...input.env,
    [REQUEST_MARK]: requestId,
    [DEVICE_MARK]: facts.deviceId,
    PALYRA_NODE_NAME: facts.nodeName,
  };
}

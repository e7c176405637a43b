import { PalyraError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { CreateRequestBody } from '../wire/views.ts';
import { environmentOf } from './exec-words.ts';
import { readText } from './read-text.ts';

export interface ExecOrder {
  readonly node: string;
  /** The words behind `--`. */
  readonly remote: readonly string[] | undefined;
  readonly stdin: boolean;
  readonly timeout?: number | undefined;
  readonly cwd?: string | undefined;
  readonly env?: readonly string[] | undefined;
  readonly 'queue-ttl'?: number | undefined;
  readonly script?: string | undefined;
  readonly 'script-file'?: string | undefined;
  readonly shell?: string | undefined;
}

/** What to run: the words behind `--`, or a script. Errors: `usage`. */
async function program(order: ExecOrder): Promise<Record<string, unknown>> {
  const file = order['script-file'];
  const script = file === undefined ? order.script : await scriptOf(file, order.stdin);
  if (script !== undefined) {
    if (order.remote !== undefined) {
      throw new PalyraError('usage', 'a script and a program behind -- were both given', { hint: 'leave one out' });
    }
    return { script, ...(order.shell !== undefined && { shell: order.shell }) };
  }
  if (order.shell !== undefined) {
    throw new PalyraError('usage', '--shell goes with --script or --script-file', {
      hint: "put the shell itself behind --: -- bash -c '…'",
    });
  }
  if (order.remote === undefined || order.remote.length === 0) {
    throw new PalyraError('usage', 'there is nothing to run', {
      hint: `put it behind --: palyra nodes exec ${order.node} -- uname -a`,
    });
  }
  return { argv: order.remote };
}

function scriptOf(file: string, stdin: boolean): Promise<string> {
  if (file === '-' && stdin) {
    throw new PalyraError('usage', 'standard input cannot be both the script and its input', {
      hint: 'put the script into a file',
    });
  }
  return readText(file, LIMITS.inputBytes);
}

/** The request of `nodes exec`. Errors: `usage`. */
export async function execBody(order: ExecOrder): Promise<CreateRequestBody> {
  const { node, stdin, timeout, cwd, env = [], 'queue-ttl': queueTtl } = order;
  return {
    node,
    capability: 'shell.execute',
    input: {
      ...(await program(order)),
      ...(cwd !== undefined && { cwd }),
      ...(env.length > 0 && { env: environmentOf(env) }),
    },
    stdin_mode: stdin ? 'stream' : 'none',
    ...(timeout !== undefined && { run_timeout_ms: timeout }),
    ...(queueTtl !== undefined && { queue_ttl_ms: queueTtl }),
  };
}

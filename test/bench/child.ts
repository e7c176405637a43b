// A process of the bench that answers orders one after the other, and ends with whoever started it.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

type Message = { readonly answer: unknown } | { readonly failure: string };

export class Child<Orders extends Record<string, (order: never) => unknown>> {
  readonly process: ChildProcess;
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    file: string,
    {
      argv = [],
      env = {},
      execArgv = [],
    }: { argv?: string[]; env?: Readonly<Record<string, string>>; execArgv?: string[] } = {},
  ) {
    this.process = fork(file, argv, {
      env: { PATH: process.env['PATH'], TMPDIR: process.env['TMPDIR'], ...env },
      execArgv,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
  }

  /** Orders are taken one at a time. */
  ask<Name extends keyof Orders & string>(
    name: Name,
    order: Parameters<Orders[Name]>[0],
  ): Promise<Awaited<ReturnType<Orders[Name]>>> {
    const answer = this.#last.then(() => this.#ask(name, order));
    this.#last = answer.catch(() => undefined);
    return answer as Promise<Awaited<ReturnType<Orders[Name]>>>;
  }

  async stop(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await ended;
  }

  async #ask(name: string, order: unknown): Promise<unknown> {
    const over = new AbortController();
    const { signal } = over;
    const answered = once(this.process, 'message', { signal }) as Promise<[Message]>;
    const ended = once(this.process, 'exit', { signal }).then(() => {
      throw new Error(`${name}: the process has ended`);
    });
    this.process.send({ name, order });
    const [message] = await Promise.race([answered, ended]);
    for (const loser of [answered, ended]) loser.catch(() => undefined);
    over.abort();
    if ('failure' in message) throw new Error(`${name}: ${message.failure}`);
    return message.answer;
  }
}

/** The other side: answers what it is asked until nobody asks any more. */
export function answerOrders(orders: Record<string, (order: never) => unknown>): void {
  process.on('disconnect', () => process.exit(0));
  process.on('message', ({ name, order }: { readonly name: string; readonly order: never }) => {
    void (async () => {
      const run = orders[name];
      if (run === undefined) throw new Error(`no order ${name}`);
      return run(order);
    })().then(
      (answer) => process.send?.({ answer: answer ?? null }),
      (cause: unknown) =>
        process.send?.({ failure: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause) }),
    );
  });
}

// A machine that pairs: the real flow in an own home, with what its user saw.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { systemClock } from '../../src/kernel/clock.ts';
import type { PalyraError } from '../../src/kernel/errors.ts';
import { daemonAddress } from '../../src/node/pairing/daemon-address.ts';
import { firstStream } from '../../src/node/pairing/first-stream.ts';
import { machineFacts } from '../../src/node/pairing/machine-facts.ts';
import { type PairedNode, type PairingSetup, pairNode, resumePairing } from '../../src/node/pairing/pair-node.ts';
import { parseCode } from '../../src/pake/code.ts';
import type { WireSchema } from '../../src/rpc/schema.ts';

export class PairingMachine {
  readonly home: string;
  readonly nodeHome: string;
  readonly schema: WireSchema;
  readonly stop = new AbortController();
  /** What its user was told, in order. */
  readonly seen: string[] = [];
  shortString: string | undefined;
  #waiting = Promise.withResolvers<void>();
  #disconnected = Promise.withResolvers<PalyraError>();

  constructor(t: TestContext, schema: WireSchema) {
    this.home = mkdtempSync(join(tmpdir(), 'palyra-machine-'));
    this.nodeHome = join(this.home, 'node');
    this.schema = schema;
    t.after(() => rmSync(this.home, { recursive: true, force: true }));
  }

  /** Resolves when it waits for a decision. */
  get waiting(): Promise<void> {
    return this.#waiting.promise;
  }

  /** Resolves when the way to its daemon broke while it waited. */
  get disconnected(): Promise<PalyraError> {
    return this.#disconnected.promise;
  }

  pair(code: string, address: string, fields: Partial<PairingSetup> = {}): Promise<PairedNode> {
    return pairNode(this.#setup(fields), {
      code: parseCode(code),
      address: daemonAddress(address),
      facts: machineFacts('web-1'),
      capabilities: ['echo', 'system.health'],
      proven: async () => void this.seen.push('proven to it'),
    });
  }

  resume(fields: Partial<PairingSetup> = {}): Promise<PairedNode> {
    this.#waiting = Promise.withResolvers();
    this.#disconnected = Promise.withResolvers();
    return resumePairing(this.#setup(fields));
  }

  #setup(fields: Partial<PairingSetup>): PairingSetup {
    const { schema, seen } = this;
    const { signal } = fields.signal === undefined ? this.stop : { signal: fields.signal };
    return {
      nodeHome: this.nodeHome,
      schema,
      clock: systemClock,
      signal,
      progress: {
        connecting: (address) => void seen.push(`connecting ${address}`),
        proven: (shortString) => {
          this.shortString = shortString;
        },
        waiting: () => {
          seen.push('waiting');
          this.#waiting.resolve();
        },
        disconnected: (cause) => {
          seen.push(`disconnected ${cause.code}`);
          this.#disconnected.resolve(cause);
        },
        approved: () => void seen.push('approved'),
      },
      firstStream: ({ identity, address }) =>
        firstStream({
          schema,
          address,
          identity,
          facts: machineFacts('web-1'),
          offers: [{ name: 'echo', available: true, unavailable_reason: undefined }],
          clock: systemClock,
          signal,
        }),
      ...fields,
    };
  }
}

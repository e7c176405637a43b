import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { CapabilityContext, NodeFacts, OutputSink } from '../../src/capabilities/capability.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { idMaker } from '../../src/kernel/ids.ts';

/** A sink that takes everything at once and remembers it. */
export class CollectingSink implements OutputSink {
  readonly chunks: Buffer[] = [];

  async write(chunk: Buffer): Promise<void> {
    this.chunks.push(chunk);
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get text(): string {
    return this.bytes.toString();
  }
}

/** A sink that hashes and forgets, after a pause for each chunk: a slow reader with flat memory. */
export class SlowSink implements OutputSink {
  readonly #hash = createHash('sha256');
  readonly #pause: () => Promise<void>;
  bytes = 0;

  constructor(pause: () => Promise<void>) {
    this.#pause = pause;
  }

  async write(chunk: Buffer): Promise<void> {
    this.#hash.update(chunk);
    this.bytes += chunk.length;
    await this.#pause();
  }

  get sha256(): string {
    return this.#hash.digest('hex');
  }
}

export const testFacts: NodeFacts = {
  // Of this process alone: a node that starts ends what runs under its device's id, also what another test file runs.
  deviceId: idMaker(() => systemClock.now())(),
  nodeName: 'bench-1',
  identityFingerprint: 'ab'.repeat(32),
  daemonAddress: 'https://daemon.test:7443',
  pairedAtUnixMs: 1_700_000_000_000,
  startedAtUnixMs: 1_700_000_001_000,
  palyraVersion: '0.0.0-test',
  homePath: tmpdir(),
  shellPath: ['/usr/bin', '/bin'],
};

export interface TestRun {
  readonly context: CapabilityContext;
  readonly stdout: CollectingSink;
  readonly stderr: CollectingSink;
  /** What `started` was told. */
  readonly started: { pid: number; startTime: string }[];
  abort(reason: unknown): void;
}

let runs = 0;

/** A context over the real clock and machine; each has a request id of its own. */
export function testRun(overrides: Partial<CapabilityContext> = {}): TestRun {
  const stdout = new CollectingSink();
  const stderr = new CollectingSink();
  const started: { pid: number; startTime: string }[] = [];
  const controller = new AbortController();
  runs += 1;
  const context: CapabilityContext = {
    requestId: `01TEST${process.pid}-${runs}`,
    signal: controller.signal,
    stdout,
    stderr,
    stdin: undefined,
    clock: systemClock,
    facts: testFacts,
    cgroups: undefined,
    started: (pid, startTime) => started.push({ pid, startTime }),
    ...overrides,
  };
  return { context, stdout, stderr, started, abort: (reason) => controller.abort(reason) };
}

/** An own folder of a test, gone after it; its path has no link in it. */
export function testFolder(t: TestContext, name = 'palyra-test-'): string {
  const folder = mkdtempSync(join(tmpdir(), name));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

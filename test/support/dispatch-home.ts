// The dispatch room over a real store and a clock that a test turns; nodes are links that write down what they get.
import { mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { AuditLog } from '../../src/audit/audit-log.ts';
import { Dispatcher } from '../../src/dispatch/dispatcher.ts';
import type { LedgerEntry, NodeLink, NodeOrder, NodeOutcome, Reconciliation } from '../../src/dispatch/node-link.ts';
import type { DispatchTarget } from '../../src/dispatch/target.ts';
import type { DispatchOrder } from '../../src/dispatch/types.ts';
import type { Clock } from '../../src/kernel/clock.ts';
import { type DeviceId, idMaker, type RequestId, type SessionId } from '../../src/kernel/ids.ts';
import { makeLogger } from '../../src/kernel/log.ts';
import { insertDevice } from '../../src/store/devices.ts';
import type { AuditRow, CapabilityRequestRow } from '../../src/store/schema.ts';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import type { Store, Tx } from '../../src/store/store.ts';
import { FakeClock } from './fake-clock.ts';
import { newDevice, START } from './identity-home.ts';

const NOTHING = { sizeBytes: 0, sha256: null };

/** A link that keeps what it was told. */
export class RecordingLink implements NodeLink {
  readonly deviceId: DeviceId;
  readonly sessionId: SessionId;
  readonly epoch: number;
  readonly ledgerId: string;
  readonly orders: NodeOrder[] = [];
  readonly cancelled: RequestId[] = [];
  readonly acknowledged: RequestId[] = [];
  /** Called before an order is kept. */
  onDispatch: ((order: NodeOrder) => void) | undefined;

  constructor(deviceId: DeviceId, epoch: number, ledgerId: string) {
    this.deviceId = deviceId;
    this.sessionId = `s${epoch}` as SessionId;
    this.epoch = epoch;
    this.ledgerId = ledgerId;
  }

  dispatch(order: NodeOrder): void {
    this.onDispatch?.(order);
    this.orders.push(order);
  }

  cancel(requestId: RequestId): void {
    this.cancelled.push(requestId);
  }

  acknowledgeResult(requestId: RequestId): void {
    this.acknowledged.push(requestId);
  }

  acknowledgeOutput(): void {}
}

export class DispatchHome {
  readonly folder: string;
  readonly clock = new FakeClock(START);
  readonly devices: readonly DeviceId[];
  /** Of the store that dispatch writes to: a write that throws here never happens. */
  beforeWrite: (() => void) | undefined;
  store: Store;
  dispatcher: Dispatcher;
  #epoch = 0;
  #life = 0;

  private constructor(folder: string, devices: readonly DeviceId[], store: Store) {
    this.folder = folder;
    this.devices = devices;
    this.store = store;
    this.dispatcher = this.#dispatcher();
  }

  static async make(t: Pick<TestContext, 'after'>, count = 1): Promise<DispatchHome> {
    const folder = mkdtempSync(join(tmpdir(), 'palyra-dispatch-'));
    const newId = idMaker(() => START);
    const devices = Array.from({ length: count }, () => newId() as DeviceId);
    const store = await openSqliteStore({ path: join(folder, 'palyra.db') });
    await store.write(async (tx) => {
      for (const [at, id] of devices.entries())
        await insertDevice(tx, newDevice(id, `n${at}`, `${at}`, START, 'trusted'));
    });
    const home = new DispatchHome(folder, devices, store);
    await home.dispatcher.start();
    t.after(() => home.close());
    return home;
  }

  async close(): Promise<void> {
    await this.store.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** What a daemon that was killed leaves: the store alone. */
  async restart(): Promise<void> {
    await this.store.close();
    this.store = await openSqliteStore({ path: join(this.folder, 'palyra.db') });
    this.dispatcher = this.#dispatcher();
    await this.dispatcher.start();
  }

  device(at = 0): DeviceId {
    const id = this.devices[at];
    if (id === undefined) throw new Error(`no device ${at}`);
    return id;
  }

  order(fields: Partial<DispatchOrder> = {}): DispatchOrder {
    return {
      deviceId: this.device(),
      capability: 'echo',
      inputJson: '"x"',
      stdinMode: 'none',
      attached: false,
      runTimeoutMs: 60_000,
      actor: { id: 'operator:test', name: 'test', source: 'unix' },
      ...fields,
    };
  }

  /** A node says hello. */
  connect({
    entries = [],
    ledgerId = 'ledger',
    device = this.device(),
  }: {
    readonly entries?: readonly LedgerEntry[];
    readonly ledgerId?: string;
    readonly device?: DeviceId;
  } = {}): { readonly link: RecordingLink; readonly plan: Reconciliation } {
    this.#epoch += 1;
    const link = new RecordingLink(device, this.#epoch, ledgerId);
    return { link, plan: this.dispatcher.nodes.hello(link, entries) };
  }

  result(link: NodeLink, requestId: RequestId, outcome: NodeOutcome = 'succeeded', outputJson = '"x"'): void {
    this.dispatcher.nodes.result(link, {
      requestId,
      outcome,
      errorCode: null,
      errorMessage: null,
      errorHint: null,
      outputJson,
      exitCode: null,
      signal: null,
      channels: { stdout: NOTHING, stderr: NOTHING },
      startedAtUnixMs: null,
      durationMs: null,
      treeKill: null,
      receiptSignature: null,
    });
  }

  /** Resolves when everything that was asked of the store before is decided. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 4; turn += 1) await this.store.write(() => Promise.resolve());
  }

  async row(requestId: RequestId): Promise<CapabilityRequestRow> {
    return this.store.reader
      .selectFrom('capability_requests')
      .selectAll()
      .where('request_id', '=', requestId)
      .executeTakeFirstOrThrow();
  }

  async audited(): Promise<AuditRow[]> {
    return this.store.reader.selectFrom('audit_rows').selectAll().orderBy('seq').execute();
  }

  #dispatcher(): Dispatcher {
    const { folder } = this;
    this.#life += 1;
    const mine = this.#life;
    // Timers of a daemon that was killed do nothing any more.
    const clock: Clock = {
      now: () => this.clock.now(),
      monotonic: () => this.clock.monotonic(),
      sleep: (ms, signal) => this.clock.sleep(ms, signal),
      after: (ms, run) =>
        this.clock.after(ms, () => {
          if (mine === this.#life) run();
        }),
    };
    const write = <T>(op: (tx: Tx) => Promise<T>): Promise<T> => {
      try {
        this.beforeWrite?.();
      } catch (cause) {
        return Promise.reject(cause as Error);
      }
      return this.store.write(op);
    };
    const store: Store = { ...this.store, reader: this.store.reader, write };
    return new Dispatcher({
      store,
      clock,
      log: makeLogger({ level: 'error', component: 'test', fd: openSync(join(folder, 'log.jsonl'), 'a', 0o600) }),
      newId: idMaker(() => clock.now()),
      audit: new AuditLog({ daemonId: 'd1', clock }).append,
      target: (deviceId) => Promise.resolve(this.devices.includes(deviceId) ? targetOf(deviceId) : undefined),
    });
  }
}

const targetOf = (deviceId: DeviceId): DispatchTarget => ({
  deviceId,
  name: 'n',
  trust: 'trusted',
  granted: new Set(['echo']),
  withdrawn: new Set(),
  offers: new Map([['echo', { available: true, reason: null }]]),
  lastDisconnectReason: null,
});

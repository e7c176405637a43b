import { join } from 'node:path';
import { builtinCapabilities } from '../capabilities/builtin.ts';
import { capabilityPlatform } from '../capabilities/platform.ts';
import type { Clock } from '../kernel/clock.ts';
import { PalyraError } from '../kernel/errors.ts';
import { lockHome } from '../kernel/home-lock.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { Logger } from '../kernel/log.ts';
import { roleHome } from '../kernel/paths.ts';
import { VERSION } from '../kernel/version.ts';
import { loadWireSchema } from '../rpc/schema.ts';
import { factsOf } from '../x509/certificate.ts';
import { readHostConfig } from './host-config.ts';
import { IdentityStore } from './identity-store.ts';
import { osBootId } from './ledger/boot-id.ts';
import { NodeHealth } from './node-health.ts';
import { type NodeStatusFile, readStatus, removeStatus, writeStatus } from './node-status-file.ts';
import { daemonAddress } from './pairing/daemon-address.ts';
import { machineFacts } from './pairing/machine-facts.ts';
import { CurrentPolicy } from './policy/current-policy.ts';
import { openNodeRequests, WRITE_JOURNAL } from './requests/open-node-requests.ts';
import { type ConnectionStatus, keepConnected } from './session/keep-connected.ts';

export interface NodeHostOptions {
  /** The folder that holds `node`. */
  readonly home: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Ends the host in order. */
  readonly signal: AbortSignal;
  /** One line for the service manager. */
  readonly status: (text: string) => void;
}

const STATUS_MS = 1_000;

/**
 * Runs this machine's requests for its daemon until the signal ends it. Errors: not_paired, node_already_running,
 * node_config_damaged, credential_unsafe, credential_damaged, device_revoked, device_removed.
 */
export async function runNodeHost(options: NodeHostOptions): Promise<void> {
  const { home, clock, log, signal } = options;
  const nodeHome = roleHome(home, 'node');
  const config = readHostConfig(nodeHome);
  const store = new IdentityStore(nodeHome);
  const identity = config === undefined ? undefined : store.load();
  if (config === undefined || identity === undefined) {
    throw new PalyraError('not_paired', 'this machine is not paired with a daemon', {
      hint: 'palyra node pair <pin> --daemon HOST',
    });
  }
  const lock = lockHome(nodeHome);
  if (lock === undefined) {
    const pid = readStatus(nodeHome)?.pid;
    throw new PalyraError(
      'node_already_running',
      `${pid === undefined ? 'another node host' : `the node host of process ${pid}`} runs on ${nodeHome}`,
      { hint: 'see `palyra node status`; stop it first, or choose another folder with --home' },
    );
  }
  try {
    const platform = capabilityPlatform([home]);
    await platform.processes.ready();
    const capabilities = builtinCapabilities({
      protectedPaths: [home],
      platform,
      writeJournal: join(nodeHome, WRITE_JOURNAL),
    });
    const health = new NodeHealth();
    const owner = await CurrentPolicy.open({ path: join(nodeHome, 'node-policy.json'), capabilities, clock, log });
    const policyHealth = (): void => health.tell('policy', owner.fault);
    policyHealth();
    owner.onChange(policyHealth);
    const startedAtUnixMs = clock.now();
    const address = daemonAddress(config.grpc_url).text;
    const requests = await openNodeRequests({
      nodeHome,
      deviceId: config.device_id,
      deviceKeyPem: identity.keyPem,
      facts: {
        deviceId: config.device_id,
        nodeName: config.name,
        identityFingerprint: factsOf(identity.certificate).fingerprint,
        daemonAddress: config.grpc_url,
        pairedAtUnixMs: config.paired_at_unix_ms,
        startedAtUnixMs,
        palyraVersion: VERSION,
        homePath: home,
        // The policy may change while it runs.
        get shellPath() {
          return owner.policy.shellPath();
        },
      },
      policy: () => owner.policy,
      ledgerHealth: (fault) => health.tell('ledger', fault),
      platform,
      clock,
      log,
    });
    const told = new StatusTeller(nodeHome, clock, log, {
      pid: process.pid,
      started_at_unix_ms: startedAtUnixMs,
      connected: false,
      connected_since_unix_ms: null,
      daemon_address: address,
      last_error: null,
      running: 0,
      queued: 0,
      degraded_reason: health.reason ?? null,
      certificate_expires_at_unix_ms: factsOf(identity.certificate).notAfterUnixMs,
    });
    health.onChange(() => told.change({ degraded_reason: health.reason ?? null }));
    requests.onCounts(() => told.change(requests.counts()));
    // The session ends after the last results have been given to it.
    const leave = new AbortController();
    const stopped = new Promise<void>((resolve) => {
      const stop = (): void => {
        log.info(requests.counts(), 'the node host is stopping');
        void requests.stop(LIMITS.killGraceMs).finally(() => {
          leave.abort();
          resolve();
        });
      };
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, { once: true });
    });
    try {
      await keepConnected({
        nodeHome,
        schema: loadWireSchema(),
        address,
        store,
        identity,
        requests,
        facts: machineFacts(config.name),
        offers: () => owner.offers(),
        onOffers: (listener) => owner.onChange(listener),
        health,
        bootId: osBootId(clock),
        startedAtUnixMs,
        clock,
        log,
        signal: leave.signal,
        changed: (status) => {
          options.status(status.connected ? `connected to ${address}` : `not connected: ${status.lastError ?? ''}`);
          told.change(connectionPart(status, clock.now()));
        },
      });
      await stopped;
    } catch (cause) {
      await requests.stop(0);
      throw cause;
    } finally {
      owner.close();
      await told.close();
    }
    log.info('the node host has stopped');
  } finally {
    lock.release();
  }
}

const connectionPart = (
  { connected, lastError, certificateExpiresAtUnixMs }: ConnectionStatus,
  now: number,
): Partial<NodeStatusFile> => ({
  connected,
  connected_since_unix_ms: connected ? now : null,
  last_error: lastError,
  certificate_expires_at_unix_ms: certificateExpiresAtUnixMs,
});

/** Writes the status file at changes, at most once a second. */
class StatusTeller {
  readonly #nodeHome: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  #status: NodeStatusFile;
  #due: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(nodeHome: string, clock: Clock, log: Logger, first: NodeStatusFile) {
    this.#nodeHome = nodeHome;
    this.#clock = clock;
    this.#log = log;
    this.#status = first;
    this.#write();
  }

  change(part: Partial<NodeStatusFile>): void {
    const before = this.#status.connected;
    this.#status = { ...this.#status, ...part };
    if (this.#closed) return;
    if (this.#status.connected !== before) this.#write();
    else this.#due ??= this.#clock.after(STATUS_MS, () => this.#write());
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#due?.();
    await this.#writing;
    removeStatus(this.#nodeHome);
  }

  #write(): void {
    this.#due?.();
    this.#due = undefined;
    this.#writing = this.#writing
      .then(() => writeStatus(this.#nodeHome, this.#status))
      .catch((cause: unknown) => this.#log.warn({ err: cause }, 'the status file could not be written'));
  }
}

import { Backoff } from '../../kernel/backoff.ts';
import { type ErrorCode, PalyraError } from '../../kernel/errors.ts';
import { LIMITS } from '../../kernel/limits.ts';
import { connectNode } from '../../rpc/node-client.ts';
import type { WireSchema } from '../../rpc/schema.ts';
import { factsOf, renewAfterUnixMs } from '../../x509/certificate.ts';
import type { DeviceIdentity, IdentityStore } from '../identity-store.ts';
import { recoverIdentity } from '../pairing/recover-identity.ts';
import { runSession, type SessionEnd, type SessionOptions } from './session.ts';

/** After these there is nothing to come back to. */
const FINAL: ReadonlySet<ErrorCode> = new Set(['device_revoked', 'device_removed', 'certificate_unknown']);
const RENEW_LOOK_MS = 60_000;
// A farewell has this long to leave before its connection is closed.
const LEAVE_MS = 100;

export interface ConnectionStatus {
  readonly connected: boolean;
  readonly lastError: string | null;
  readonly certificateExpiresAtUnixMs: number;
}

export interface KeepConnectedOptions
  extends Pick<
    SessionOptions,
    'requests' | 'facts' | 'offers' | 'onOffers' | 'health' | 'bootId' | 'startedAtUnixMs' | 'clock' | 'log' | 'signal'
  > {
  readonly nodeHome: string;
  readonly schema: WireSchema;
  /** `host:port`. */
  readonly address: string;
  readonly store: IdentityStore;
  readonly identity: DeviceIdentity;
  readonly changed: (status: ConnectionStatus) => void;
}

const expiryOf = ({ certificate }: DeviceIdentity): number => factsOf(certificate).notAfterUnixMs;

const renewalOf = ({ certificate }: DeviceIdentity): number => {
  const { notBeforeUnixMs, notAfterUnixMs } = factsOf(certificate);
  return renewAfterUnixMs(notBeforeUnixMs, notAfterUnixMs);
};

/**
 * Keeps a session open until the signal ends it: redials with backoff, renews the certificate, recovers it once it ran
 * out. Errors: device_revoked, device_removed, certificate_unknown: what only a person can change.
 */
export async function keepConnected(options: KeepConnectedOptions): Promise<void> {
  const { clock, log, signal } = options;
  const backoff = new Backoff({ firstMs: LIMITS.reconnectFirstMs, longestMs: LIMITS.reconnectLongestMs });
  let { identity } = options;
  while (!signal.aborted) {
    const told = (connected: boolean, lastError: string | null): void =>
      options.changed({ connected, lastError, certificateExpiresAtUnixMs: expiryOf(identity) });
    let end: SessionEnd & { readonly renewed?: DeviceIdentity };
    try {
      end = await oneConnection(options, identity, () => {
        backoff.reset();
        told(true, null);
        log.info({ daemon: options.address }, 'connected');
      });
    } catch (cause) {
      end = { cause, retryAfterMs: 0 };
    }
    if (signal.aborted) return;
    // Authorities that came meanwhile.
    identity = reloaded(options) ?? identity;
    if (end.renewed !== undefined) {
      identity = end.renewed;
      continue;
    }
    const { cause } = end;
    const known = cause instanceof PalyraError ? cause : undefined;
    if (known !== undefined && FINAL.has(known.code)) throw known;
    told(false, cause instanceof Error ? cause.message : String(cause));
    if (known === undefined) log.error({ err: cause }, 'the session failed');
    // We show one at every connection: the daemon's TLS did not take it, because it ran out by the daemon's clock.
    if (known?.code === 'certificate_expired' || known?.code === 'certificate_required') {
      log.warn('the certificate ran out: asking for a new one by the key');
      identity = await recovered(options, identity);
      continue;
    }
    const asked = known?.details?.['retry_after_ms'];
    const waitMs = backoff.next(Math.max(end.retryAfterMs, typeof asked === 'number' ? asked : 0));
    log.warn({ code: known?.code, hint: known?.hint, wait_ms: Math.round(waitMs) }, known?.message ?? 'disconnected');
    await clock.sleep(waitMs, signal).catch(() => undefined);
  }
}

async function recovered(options: KeepConnectedOptions, identity: DeviceIdentity): Promise<DeviceIdentity> {
  const { nodeHome, schema, clock, signal, log } = options;
  try {
    return await recoverIdentity({
      nodeHome,
      schema,
      clock,
      signal,
      progress: {
        waiting: (request) => log.warn({ request_id: request }, 'an approver must let this machine come back'),
        disconnected: (cause) => log.warn({ code: cause.code }, cause.message),
      },
    });
  } catch (cause) {
    if (cause instanceof PalyraError && FINAL.has(cause.code)) throw cause;
    log.error({ err: cause }, 'no new certificate yet');
    await clock.sleep(LIMITS.reconnectLongestMs, signal).catch(() => undefined);
    return identity;
  }
}

async function oneConnection(
  options: KeepConnectedOptions,
  identity: DeviceIdentity,
  welcomed: () => void,
): Promise<SessionEnd & { readonly renewed?: DeviceIdentity }> {
  const { schema, address, clock, log, signal } = options;
  const connection = connectNode(schema, {
    address,
    ca: identity.caPem,
    identity: { chain: identity.chainPem, key: identity.keyPem },
  });
  const handOver = new AbortController();
  const stop = (): void => handOver.abort();
  signal.addEventListener('abort', stop, { once: true });
  let renewed: DeviceIdentity | undefined;
  let renewing = false;
  let over = false;
  const renewNow = async (reason: string): Promise<void> => {
    if (renewing) return;
    renewing = true;
    try {
      renewed = await rotate(options, identity, (request) => connection.rotate(request), reason);
      log.info({ expires_at_unix_ms: expiryOf(renewed) }, 'the certificate was renewed');
      handOver.abort();
    } catch (cause) {
      // The old one still works; the next look tries again.
      log.warn({ err: cause }, 'the certificate could not be renewed');
      renewing = false;
    }
  };
  const renew = (reason: string): void => void renewNow(reason);
  const watchRenewal = (): void => {
    const dueMs = Math.max(0, renewalOf(identity) - clock.now());
    clock.after(dueMs === 0 ? RENEW_LOOK_MS : Math.min(dueMs, RENEW_LOOK_MS), () => {
      if (over) return;
      if (renewalOf(identity) <= clock.now()) renew('two thirds of its life are over');
      watchRenewal();
    });
  };
  try {
    const end = await runSession({
      ...options,
      connection,
      signal: handOver.signal,
      welcomed: () => {
        welcomed();
        if (renewalOf(identity) <= clock.now()) renew('two thirds of its life are over');
        watchRenewal();
      },
      renew,
      bundle: (ders) => void saveBundle(options, ders),
    });
    await clock.sleep(LEAVE_MS);
    return renewed === undefined ? end : { ...end, renewed };
  } finally {
    over = true;
    signal.removeEventListener('abort', stop);
    connection.close();
  }
}

/** What is on disk now; a damaged file is told, and what is in memory goes on. */
function reloaded({ store, log }: KeepConnectedOptions): DeviceIdentity | undefined {
  try {
    return store.load();
  } catch (cause) {
    log.error({ err: cause }, 'the identity on disk cannot be read');
    return undefined;
  }
}

/** The daemon proved itself under the authorities that hold now: what it says of the next ones counts. */
async function saveBundle({ store, log }: KeepConnectedOptions, ders: readonly Buffer[]): Promise<void> {
  try {
    if (await store.saveBundle(ders)) log.info({ authorities: ders.length }, 'the authorities of the daemon changed');
  } catch (cause) {
    log.error({ err: cause }, 'the authorities of the daemon could not be taken over');
  }
}

/** The next certificate of the same key, on disk before it is used. */
async function rotate(
  { store }: KeepConnectedOptions,
  identity: DeviceIdentity,
  ask: ReturnType<typeof connectNode>['rotate'],
  reason: string,
): Promise<DeviceIdentity> {
  // Loaded when a certificate is due: the ASN.1 of it is a twentieth of a node at rest.
  const { writeCsr } = await import('../../x509/csr.ts');
  const answer = await ask({ csr_der: await writeCsr(identity.key), reason });
  const chain = answer.certificate_chain_der ?? [];
  const bundle = answer.ca_bundle_der ?? [];
  await store.saveCertificate(
    chain.map((der) => Buffer.from(der)),
    bundle.map((der) => Buffer.from(der)),
  );
  const next = store.load();
  if (next === undefined) throw new PalyraError('credential_damaged', 'the new certificate cannot be read back');
  return next;
}

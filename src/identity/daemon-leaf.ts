import { X509Certificate } from 'node:crypto';
import { renameSync } from 'node:fs';
import type { Clock } from '../kernel/clock.ts';
import { PalyraError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { Logger } from '../kernel/log.ts';
import { factsOf, renewAfterUnixMs } from '../x509/certificate.ts';
import { issueDaemonLeaf } from '../x509/issue.ts';
import { generateP256, privateKeyPem, spkiOf } from '../x509/key-pair.ts';
import { daemonUri } from '../x509/names.ts';
import type { Authority } from './ca-files.ts';
import type { IssuingClock } from './issuing-clock.ts';
import { type Leaf, readLeaf, writeLeaf } from './leaf-file.ts';
import type { ServerCredentialsPem } from './types.ts';

export interface DaemonLeafParts {
  /** File of key and certificate; its folder must exist. */
  readonly path: string;
  readonly authority: Authority;
  readonly daemonId: string;
  readonly lifetimeMs: number;
  readonly issuing: IssuingClock;
  readonly clock: Clock;
  readonly log: Logger;
}

const HOUR = 3_600_000;
const SECOND = 1000;
const RETRY_MS = 60 * SECOND;

/** The daemon's own certificate. Renews itself after two thirds of its life, with a new key, while the daemon runs. */
export class DaemonLeaf {
  readonly #parts: DaemonLeafParts;
  readonly #listeners = new Set<(credentials: ServerCredentialsPem) => void>();
  #leaf: Leaf;
  #stopWaiting: (() => void) | undefined;
  #closed = false;

  private constructor(parts: DaemonLeafParts, leaf: Leaf) {
    this.#parts = parts;
    this.#leaf = leaf;
  }

  /** Errors: credential_unsafe, disk_full, no_permission; clock_skew when there is no certificate to go on with. */
  static async open(parts: DaemonLeafParts): Promise<DaemonLeaf> {
    const kept = usable(parts);
    if (kept !== undefined) parts.issuing.knows(factsOf(kept.certificate).notBeforeUnixMs + LIMITS.backdateMs);
    const leaf = new DaemonLeaf(parts, kept ?? (await issue(parts)));
    await leaf.#renewIfDue();
    return leaf;
  }

  get credentials(): ServerCredentialsPem {
    const ca = this.#parts.authority.certificate.toString();
    const { key, certificate } = this.#leaf;
    return { ca, chain: `${certificate.toString()}${ca}`, key: privateKeyPem(key) };
  }

  /** Calls `listener` with each later certificate; the returned function ends that. */
  onRenewed(listener: (credentials: ServerCredentialsPem) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#closed = true;
    this.#stopWaiting?.();
  }

  /** A leaf that cannot be renewed now stays in use: it has a third of its life left. */
  #renewIfDue = async (): Promise<void> => {
    const { clock, log } = this.#parts;
    let waitMs = this.#dueUnixMs - clock.now();
    if (waitMs <= 0) {
      try {
        this.#leaf = await issue(this.#parts);
        waitMs = this.#dueUnixMs - clock.now();
        log.info({ serial: this.#leaf.certificate.serialNumber }, 'the certificate of the daemon was renewed');
        const { credentials } = this;
        for (const listener of this.#listeners) listener(credentials);
      } catch (cause) {
        waitMs = RETRY_MS;
        log.error({ err: cause }, 'the certificate of the daemon could not be renewed; trying again in a minute');
      }
    }
    if (this.#closed) return;
    // Never far ahead: the wall clock may be set while a timer runs.
    this.#stopWaiting = clock.after(Math.min(Math.max(waitMs, SECOND), HOUR), () => void this.#renewIfDue());
  };

  get #dueUnixMs(): number {
    const { notBeforeUnixMs, notAfterUnixMs } = factsOf(this.#leaf.certificate);
    return renewAfterUnixMs(notBeforeUnixMs, notAfterUnixMs);
  }
}

/** The leaf on disk, if it is ours, of this CA, and not over. A damaged one is set aside: the CA makes another. */
function usable({ path, authority, daemonId, clock, log }: DaemonLeafParts): Leaf | undefined {
  let leaf: Leaf | undefined;
  try {
    leaf = readLeaf(path);
  } catch (cause) {
    if (!(cause instanceof PalyraError) || cause.code !== 'credential_damaged') throw cause;
    const aside = `${path}.damaged-${clock.now()}`;
    renameSync(path, aside);
    log.warn({ err: cause, moved_to: aside }, 'the certificate of the daemon was damaged; a new one is made');
    return undefined;
  }
  if (leaf === undefined) return undefined;
  const { certificate } = leaf;
  const fits =
    certificate.checkIssued(authority.certificate) &&
    certificate.verify(authority.certificate.publicKey) &&
    (certificate.subjectAltName ?? '').split(', ').includes(`URI:${daemonUri(daemonId)}`) &&
    factsOf(certificate).notAfterUnixMs > clock.now();
  return fits ? leaf : undefined;
}

async function issue({ path, authority, daemonId, lifetimeMs, issuing }: DaemonLeafParts): Promise<Leaf> {
  const nowUnixMs = issuing.now();
  const key = await generateP256();
  const der = await issueDaemonLeaf(authority, spkiOf(key), daemonId, { nowUnixMs, lifetimeMs });
  const leaf = { key, certificate: new X509Certificate(der) };
  await writeLeaf(path, leaf);
  return leaf;
}

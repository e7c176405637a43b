import { type KeyObject, randomBytes, type X509Certificate } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import { PalyraError } from '../../kernel/errors.ts';
import { isUlid } from '../../kernel/is-ulid.ts';
import type { PairingCode } from '../../pake/code.ts';
import { pairingNames } from '../../pake/context.ts';
import { SAS_NONCE_BYTES, sasCommitment, shortString } from '../../pake/short-string.ts';
import { proverFinish, proverShare } from '../../pake/spake2plus.ts';
import { KDF, SALT_BYTES, stretch } from '../../pake/stretch.ts';
import type { BeginPairingSessionResponse__Output } from '../../rpc/generated/palyra/node/v1/BeginPairingSessionResponse.ts';
import { writeCsr } from '../../x509/csr.ts';
import { sha256, spkiOf } from '../../x509/key-pair.ts';
import type { PairingClient } from './pairing-client.ts';
import { repeated } from './retry.ts';

const VERSION = 1;
const CLIENT_NONCE_BYTES = 16;
const DAEMON_NONCE_BYTES = 32;
const ATTEMPTS = 4;
/** A daemon that restarts in the middle forgets its handshakes. */
const SESSIONS = 3;
const NOTHING = Buffer.alloc(0);

export interface ProveOptions {
  readonly client: PairingClient;
  readonly code: PairingCode;
  readonly key: KeyObject;
  /** What the TLS connection of `client` was verified against. */
  readonly ca: X509Certificate;
  /** Serialised DeviceHello. */
  readonly hello: Buffer;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** A daemon that proved to know the code, and what is left to tell it. */
export interface ProvenDaemon {
  readonly sessionId: string;
  readonly confirmP: Buffer;
  readonly sasNonce: Buffer;
  readonly shortString: string;
}

/**
 * Proves the code to the daemon and has the daemon prove itself; with that its CA is authentic. What only the network
 * broke is repeated, at no further try of the code: no guess is confirmed before `confirm_v` is looked at, and after
 * a wrong one nothing is ever repeated. Errors: pairing_code_invalid, unknown_ca (a token of another daemon),
 * not_a_palyra_daemon, too_many_requests, daemon_unreachable.
 */
export async function proveCode(options: ProveOptions): Promise<ProvenDaemon> {
  const { code, ca } = options;
  if (code.caSpkiSha256 !== undefined && !code.caSpkiSha256.equals(sha256(spkiOf(ca.publicKey)))) {
    throw new PalyraError('unknown_ca', 'the token was made by another daemon than the one that answers there', {
      hint: 'check the address of the daemon, or make a token with it: `palyra pairing token create`',
    });
  }
  const csrDer = await writeCsr(options.key);
  for (let session = 1; ; session += 1) {
    try {
      return await oneSession(options, csrDer);
    } catch (cause) {
      const lost = cause instanceof PalyraError && cause.code === 'pairing_session_not_found';
      if (!lost || session >= SESSIONS) throw cause;
    }
  }
}

async function oneSession({ client, code, ca, hello, clock, signal }: ProveOptions, csrDer: Buffer) {
  const again = { attempts: ATTEMPTS, clock, signal };
  const sasNonce = randomBytes(SAS_NONCE_BYTES);
  const helloHash = sha256(hello);
  const sasCommit = sasCommitment(sasNonce);
  const request = {
    v: VERSION,
    kind: code.kind === 'pin' ? ('PAIRING_CODE_KIND_PIN' as const) : ('PAIRING_CODE_KIND_TOKEN' as const),
    selector: code.selector,
    client_nonce: randomBytes(CLIENT_NONCE_BYTES),
    csr_der: csrDer,
    hello_hash: helloHash,
    sas_commit: sasCommit,
  };
  const begun = checked(await repeated(() => client.begin(request), again));
  const { sessionId, salt, daemonNonce } = begun;
  const scalars = await stretch(code.code, salt);
  const share = proverShare(scalars.w0);
  const answer = await repeated(() => client.exchange({ session_id: sessionId, share_p: share.shareP }), again);
  const names = pairingNames({
    kind: code.kind,
    selector: code.selector,
    sessionId,
    salt,
    caSha256: sha256(ca.raw),
    csrSha256: sha256(csrDer),
    helloHash,
    sasCommit,
    daemonNonce,
  });
  const { confirmP, sharedKey } = proverFinish(
    names,
    scalars,
    share,
    answer.share_v ?? NOTHING,
    answer.confirm_v ?? NOTHING,
  );
  return { sessionId, confirmP, sasNonce, shortString: shortString(sharedKey, sasNonce, daemonNonce) };
}

function checked(response: BeginPairingSessionResponse__Output) {
  const { v, session_id: sessionId, salt, daemon_nonce: daemonNonce } = response;
  const kdf = response.kdf_log_n === KDF.logN && response.kdf_r === KDF.r && response.kdf_p === KDF.p;
  if (
    v !== VERSION ||
    !kdf ||
    sessionId === undefined ||
    !isUlid(sessionId) ||
    salt?.length !== SALT_BYTES ||
    daemonNonce?.length !== DAEMON_NONCE_BYTES
  ) {
    throw new PalyraError('not_a_palyra_daemon', 'the daemon speaks another version of pairing than this machine', {
      hint: 'install the same version of Palyra on both',
    });
  }
  return { sessionId, salt, daemonNonce };
}

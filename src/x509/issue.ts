import { type KeyObject, randomBytes, type X509Certificate } from 'node:crypto';
import { LIMITS } from '../kernel/limits.ts';
import { commonName } from './common-name.ts';
import { ECDSA_WITH_SHA256 } from './csr.ts';
import { bits, type Der, decode, encode, integer, oid, partsOf, sequence, smallInteger, tagged, time } from './der.ts';
import {
  authorityKeyIdentifier,
  basicConstraints,
  caKeyUsage,
  extendedKeyUsage,
  leafKeyUsage,
  subjectAltNames,
  subjectKeyIdentifier,
} from './extensions.ts';
import { sha256Hex, signSha256, spkiOf } from './key-pair.ts';
import { ca8Of, DAEMON_NAME, daemonNameUnder, daemonUri, deviceUri } from './names.ts';

/** Who signs. */
export interface Issuer {
  readonly key: KeyObject;
  readonly certificate: X509Certificate;
}

export interface Lifetime {
  readonly nowUnixMs: number;
  readonly lifetimeMs: number;
}

const SECOND = 1000;

interface Body {
  readonly spki: Buffer;
  readonly subject: Der;
  readonly issuerName: Der;
  readonly lifetime: Lifetime;
  /** A certificate ends with its issuer. */
  readonly latestUnixMs?: number;
  readonly extensions: readonly Der[];
}

/** 16 random bytes; the top bits 01 make it positive and of full length. */
function serialNumber(): Buffer {
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return serial;
}

async function write(key: KeyObject, body: Body): Promise<Buffer> {
  const algorithm = sequence(oid(ECDSA_WITH_SHA256));
  const { nowUnixMs, lifetimeMs } = body.lifetime;
  const end = Math.min(nowUnixMs + lifetimeMs, body.latestUnixMs ?? Number.POSITIVE_INFINITY);
  const wholeSecond = (unixMs: number): number => Math.floor(unixMs / SECOND) * SECOND;
  const tbs = sequence(
    tagged(0, smallInteger(2)),
    integer(serialNumber()),
    algorithm,
    body.issuerName,
    // Back-dated: a machine whose clock is a little slow can use it at once.
    sequence(time(wholeSecond(nowUnixMs - LIMITS.backdateMs)), time(wholeSecond(end))),
    body.subject,
    decode(body.spki),
    tagged(3, sequence(...body.extensions)),
  );
  return encode(sequence(tbs, algorithm, bits(await signSha256(key, encode(tbs)))));
}

/** Subject of a certificate as it is encoded there: a chain is compared by these bytes. */
function subjectOf(certificate: X509Certificate): Der {
  const subject = partsOf(partsOf(decode(certificate.raw))?.[0])?.[5];
  if (subject === undefined) throw new Error('not a version 3 certificate');
  return subject;
}

/** A self-signed CA that issues leaves only. */
export async function issueCa(key: KeyObject, lifetime: Lifetime): Promise<Buffer> {
  const spki = spkiOf(key);
  const name = commonName(`Palyra CA ${ca8Of(sha256Hex(spki))}`);
  return write(key, {
    spki,
    subject: name,
    issuerName: name,
    lifetime,
    extensions: [basicConstraints(true), caKeyUsage(), subjectKeyIdentifier(spki), authorityKeyIdentifier(spki)],
  });
}

function leaf(
  issuer: Issuer,
  spki: Buffer,
  lifetime: Lifetime,
  subject: string,
  names: readonly Der[],
): Promise<Buffer> {
  const issuerSpki = spkiOf(issuer.key);
  return write(issuer.key, {
    spki,
    subject: commonName(subject),
    issuerName: subjectOf(issuer.certificate),
    lifetime,
    latestUnixMs: issuer.certificate.validToDate.getTime(),
    extensions: [
      basicConstraints(false),
      leafKeyUsage(),
      ...names,
      subjectKeyIdentifier(spki),
      authorityKeyIdentifier(issuerSpki),
    ],
  });
}

/** The daemon's own certificate: a server, under its fixed name and under the name of its CA. */
export function issueDaemonLeaf(issuer: Issuer, spki: Buffer, daemonId: string, lifetime: Lifetime): Promise<Buffer> {
  const dns = [DAEMON_NAME, daemonNameUnder(ca8Of(sha256Hex(spkiOf(issuer.key))))];
  const names = [extendedKeyUsage('server'), subjectAltNames(dns, [daemonUri(daemonId)])];
  return leaf(issuer, spki, lifetime, `Palyra daemon ${daemonId}`, names);
}

/** A device's certificate: a client, and who it is. Only the key came from the device. */
export function issueDeviceLeaf(issuer: Issuer, spki: Buffer, deviceId: string, lifetime: Lifetime): Promise<Buffer> {
  const uri = deviceUri(deviceId);
  return leaf(issuer, spki, lifetime, uri, [extendedKeyUsage('client'), subjectAltNames([], [uri])]);
}

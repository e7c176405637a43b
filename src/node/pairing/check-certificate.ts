import type { KeyObject, X509Certificate } from 'node:crypto';
import { PalyraError } from '../../kernel/errors.ts';
import { deviceIdOf, isDaemonCa, readCertificate } from '../../x509/certificate.ts';
import { spkiOf } from '../../x509/key-pair.ts';

const CHAIN_LENGTH = 4;

interface Expected {
  readonly key: KeyObject;
  readonly deviceId: string;
  readonly ca: X509Certificate;
}

/**
 * Whether a fetched certificate is for this key and device and of the daemon's CA, and the bundle has that CA. Its dates
 * are the daemon's to judge. Errors: daemon_not_proven.
 */
export function checkCertificate(
  chainDer: readonly Buffer[],
  bundleDer: readonly Buffer[],
  { key, deviceId, ca }: Expected,
): void {
  const [leafDer] = chainDer;
  if (leafDer === undefined || chainDer.length > CHAIN_LENGTH || bundleDer.length > CHAIN_LENGTH) {
    throw unfit('it has no certificate, or too many');
  }
  const [leaf, ...rest] = chainDer.map(readCertificate);
  const bundle = bundleDer.map(readCertificate);
  if (leaf === undefined || !spkiOf(leaf.publicKey).equals(spkiOf(key))) throw unfit('it is for another key');
  if (deviceIdOf(leaf) !== deviceId) throw unfit('it names another device');
  if (leaf.ca || !leaf.checkIssued(ca) || !leaf.verify(ca.publicKey)) throw unfit('it is of another authority');
  if (!rest.every((above) => above.raw.equals(ca.raw))) throw unfit('its chain leads to another authority');
  if (!bundle.some(({ raw }) => raw.equals(ca.raw)) || !bundle.every(isDaemonCa)) {
    throw unfit('the authorities that come with it are not those of the daemon');
  }
}

const unfit = (why: string): PalyraError =>
  new PalyraError('daemon_not_proven', `the certificate that the daemon gave is refused: ${why}`, {
    hint: 'pair again with a new code; if it happens again, report it',
  });

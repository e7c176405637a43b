// Devices by the thousand in the home of a daemon that is not running, and what each needs to connect.
import { DAEMON_DEFAULTS } from '../../src/daemon/daemon-settings.ts';
import { openRuntimeState } from '../../src/daemon/node-runtime-state.ts';
import { issuedRow } from '../../src/identity/sign-device-certificate.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { ensurePrivateDir } from '../../src/kernel/files.ts';
import { type DeviceId, idMaker } from '../../src/kernel/ids.ts';
import { makeLogger } from '../../src/kernel/log.ts';
import { roleHome } from '../../src/kernel/paths.ts';
import { insertCertificate } from '../../src/store/certificates.ts';
import { insertDevice } from '../../src/store/devices.ts';
import { certificatesPem } from '../../src/x509/certificate.ts';
import { generateP256, privateKeyPem, spkiOf, spkiSha256 } from '../../src/x509/key-pair.ts';
import { newDevice } from './identity-home.ts';

/** A device that was never paired: its rows are written as a pairing would. */
export interface EnrolledDevice {
  readonly deviceId: DeviceId;
  readonly name: string;
  /** PEM. */
  readonly key: string;
  readonly chain: string;
}

const GRANTED = ['echo', 'shell.execute'];

/** All share what they are made of but their key. */
export async function enrolMany(home: string, count: number): Promise<EnrolledDevice[]> {
  ensurePrivateDir(roleHome(home, 'daemon'));
  const rooms = await openRuntimeState({
    home,
    settings: DAEMON_DEFAULTS,
    clock: systemClock,
    log: makeLogger({ level: 'warn', component: 'bench' }),
    onDiskFailure: (cause) => {
      throw cause;
    },
  });
  const newId = idMaker(() => systemClock.now());
  try {
    const made: EnrolledDevice[] = [];
    await Promise.all(
      Array.from({ length: count }, async (_, at) => {
        const deviceId = newId() as DeviceId;
        const name = `many-${at}`;
        const key = await generateP256();
        const nowUnixMs = systemClock.now();
        const signed = await rooms.identity.signDeviceCertificate(spkiOf(key), deviceId);
        const row = issuedRow(signed, { deviceId, generation: 1, csrSha256: '0'.repeat(64), nowUnixMs });
        await rooms.store.write(async (tx) => {
          await insertDevice(tx, {
            ...newDevice(deviceId, name, spkiSha256(key), nowUnixMs, 'trusted'),
            granted_json: JSON.stringify(GRANTED),
          });
          await insertCertificate(tx, row);
        });
        made.push({ deviceId, name, key: privateKeyPem(key), chain: certificatesPem([signed.der]) });
      }),
    );
    return made;
  } finally {
    await rooms.close();
  }
}

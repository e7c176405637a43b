// Devices by the thousand in the home of a daemon that is not running, and what each needs to connect.
import { join } from 'node:path';
import { DAEMON_DEFAULTS } from '../../src/daemon/daemon-settings.ts';
import { openRuntimeState } from '../../src/daemon/node-runtime-state.ts';
import { issuedRow } from '../../src/identity/sign-device-certificate.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { type DeviceId, idMaker } from '../../src/kernel/ids.ts';
import { makeLogger } from '../../src/kernel/log.ts';
import { insertCertificate } from '../../src/store/certificates.ts';
import { insertDevice } from '../../src/store/devices.ts';
import { certificatesPem } from '../../src/x509/certificate.ts';
import { generateP256, privateKeyPem, spkiOf, spkiSha256 } from '../../src/x509/key-pair.ts';
import { newDevice } from '../support/identity-home.ts';

export interface ManyDevices {
  readonly key: string;
  readonly chain: string;
}

/** All share what they are made of but their key. */
export async function enrolMany(home: string, count: number): Promise<ManyDevices[]> {
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
    const made: ManyDevices[] = [];
    await Promise.all(
      Array.from({ length: count }, async (_, at) => {
        const deviceId = newId() as DeviceId;
        const key = await generateP256();
        const nowUnixMs = systemClock.now();
        const signed = await rooms.identity.signDeviceCertificate(spkiOf(key), deviceId);
        const row = issuedRow(signed, { deviceId, generation: 1, csrSha256: '0'.repeat(64), nowUnixMs });
        await rooms.store.write(async (tx) => {
          await insertDevice(tx, newDevice(deviceId, `many-${at}`, spkiSha256(key), nowUnixMs, 'trusted'));
          await insertCertificate(tx, row);
        });
        made.push({ key: privateKeyPem(key), chain: certificatesPem([signed.der]) });
      }),
    );
    return made;
  } finally {
    await rooms.close();
  }
}

export const manyFile = (folder: string): string => join(folder, 'many.json');

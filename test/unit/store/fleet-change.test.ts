// What makes node-runtime.v1.json due, and what does not.
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import type { DeviceId, RequestId } from '../../../src/kernel/ids.ts';
import { LIMITS } from '../../../src/kernel/limits.ts';
import { markFirstUse } from '../../../src/store/certificates.ts';
import { noteDeviceFacts, noteDisconnect } from '../../../src/store/device-directory.ts';
import { insertDevice, moveTrust } from '../../../src/store/devices.ts';
import { closeSession, openSession } from '../../../src/store/node-sessions.ts';
import { chargeTry, deleteExpiredPairingCodes, insertPairingCode } from '../../../src/store/pairing-codes.ts';
import { insertPairingRequest, movePairingRequest } from '../../../src/store/pairing-requests.ts';
import type { Tx } from '../../../src/store/store.ts';
import { onEachEngine } from '../../support/engines.ts';
import { newDevice } from '../../support/identity-home.ts';
import { FINGERPRINT, runtimeOfOne, START } from '../../support/runtime-home.ts';
import { DEVICE, newCode, newPairingRequest, newRequest, newSession } from '../../support/store-rows.ts';

const REQUEST = '01BX5ZZKBKACTAV9WEVGEMMVRZ' as RequestId;
const facts = {
  platform: 'linux',
  arch: 'arm64',
  os_version: '7',
  palyra_version: '1.0.0',
  hostname: 'other',
  offered_json: '[]',
  last_seen_at_unix_ms: 9,
  seen_tokens_json: '["x"]',
};
const session = newSession(DEVICE);
/** What happens to a fleet, and whether it must be on file. */
const acts: Record<string, { readonly due: boolean; readonly act: (tx: Tx) => Promise<unknown> }> = {
  'a new device': {
    due: true,
    act: (tx) => insertDevice(tx, newDevice('01BX5ZZKBKACTAV9WEVGEMMVRZ' as DeviceId, 'b', 'k2', 1)),
  },
  'a revocation': { due: true, act: (tx) => moveTrust(tx, DEVICE, ['trusted'], 'revoked', 'lost', 1) },
  'a first use': { due: true, act: (tx) => markFirstUse(tx, FINGERPRINT, 1) },
  'a new code': { due: true, act: (tx) => insertPairingCode(tx, newCode('c')) },
  'a try of a code': { due: true, act: (tx) => chargeTry(tx, 'live', START, START + 1) },
  'a decision': { due: true, act: (tx) => movePairingRequest(tx, 'r', 'pending_approval', 'approved', {}) },
  'a connection': { due: false, act: (tx) => noteDeviceFacts(tx, DEVICE, facts) },
  'a session': { due: false, act: (tx) => openSession(tx, session) },
  'the end of a session': { due: false, act: (tx) => closeSession(tx, DEVICE, session.session_id, 1) },
  'a disconnect': {
    due: false,
    act: (tx) => noteDisconnect(tx, DEVICE, { atUnixMs: 1, reason: 'x', lastSeenAtUnixMs: 1 }),
  },
  'a request': { due: false, act: (tx) => tx.insertInto('capability_requests').values(newRequest(REQUEST)).execute() },
  'a sweep that finds nothing': { due: false, act: (tx) => deleteExpiredPairingCodes(tx, 1) },
  'a transition that does not happen': {
    due: false,
    act: (tx) => moveTrust(tx, DEVICE, ['enrolling'], 'trusted', null, 1),
  },
};

onEachEngine('facts of the fleet are written, and nothing else is', async (t, open) => {
  for (const [what, { due, act }] of Object.entries(acts)) {
    const { store, file, clock, path } = await runtimeOfOne(t, open);
    await store.write(async (tx) => {
      await insertPairingCode(tx, newCode('live', { expires_at_unix_ms: START + 1000 }));
      await insertPairingRequest(tx, newPairingRequest('r'));
    });
    await file.write();
    const before = statSync(path).ino;
    await store.write(act);
    clock.advance(LIMITS.runtimeFileLongestMs);
    await file.idle();
    assert.equal(statSync(path).ino !== before, due, what);
  }
});

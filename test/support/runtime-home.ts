// A daemon's folder with node-runtime.v1.json, over a real store; only the clock is a stand-in.
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { makeLogger } from '../../src/kernel/log.ts';
import { insertCertificate } from '../../src/store/certificates.ts';
import { insertDevice } from '../../src/store/devices.ts';
import { nodeRuntimePath, openNodeRuntime } from '../../src/store/open-node-runtime.ts';
import { parseRuntimeText } from '../../src/store/runtime-text.ts';
import type { Store } from '../../src/store/store.ts';
import type { OpenStore } from './engines.ts';
import { FakeClock } from './fake-clock.ts';
import { newDevice } from './identity-home.ts';
import { DEVICE, newCertificate } from './store-rows.ts';

export const START = Date.UTC(2026, 10, 25, 12);
export const FINGERPRINT = Array.from({ length: 32 }, () => 'AB').join(':');
// What it reports at error level is expected.
const SILENT = makeLogger({ level: 'error', component: 'test', fd: openSync('/dev/null', 'w') });

interface Home {
  readonly home: string;
  readonly path: string;
  readonly clock: FakeClock;
  readonly open: (store: Store) => ReturnType<typeof openNodeRuntime>;
}

export function runtimeHome(t: TestContext): Home {
  const home = mkdtempSync(join(tmpdir(), 'palyra-runtime-'));
  t.after(() => rmSync(home, { recursive: true }));
  const clock = new FakeClock(START);
  const open = (store: Store) => openNodeRuntime({ home, store, daemonId: 'daemon-1', clock, log: SILENT });
  return { home, path: nodeRuntimePath(home), clock, open };
}

export const readRuntime = (path: string) => parseRuntimeText(readFileSync(path, 'utf8'), path);

const pair = (store: Store) =>
  store.write(async (tx) => {
    await insertDevice(tx, newDevice(DEVICE, 'web-1', 'key', START, 'trusted'));
    await insertCertificate(tx, newCertificate(FINGERPRINT, DEVICE));
  });

/** Opened, with one device on file. */
export async function runtimeOfOne(t: TestContext, open: OpenStore) {
  const store = await open(t);
  const at = runtimeHome(t);
  await pair(store);
  const { file } = await at.open(store);
  await file.write();
  return { ...at, store, file };
}

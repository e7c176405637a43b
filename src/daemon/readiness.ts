import type { Clock } from '../kernel/clock.ts';
import type { ReadinessCheck } from '../operator/ports.ts';
import { factsOf } from '../x509/certificate.ts';
import type { NodeRuntimeState } from './node-runtime-state.ts';

/** What must hold before this daemon takes work. */
export const readinessChecks = (
  { store, identity }: Pick<NodeRuntimeState, 'store' | 'identity'>,
  clock: Clock,
): readonly ReadinessCheck[] => [
  {
    name: 'store',
    check: async () => {
      await store.reader.selectFrom('devices').select('device_id').limit(1).execute();
      return true;
    },
  },
  {
    name: 'authority',
    check: async () => factsOf(identity.caCertificate).notAfterUnixMs > clock.now(),
  },
];

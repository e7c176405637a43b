import { arch, hostname, platform, release, type, version } from 'node:os';
import * as z from 'zod';
import { defineCapability } from './capability.ts';
import { alwaysAllowed } from './harmless.ts';
import { ownAccount } from './processes/own-account.ts';

/** Who the device is, and as whom it runs. The input is ignored, as it always was. */
export const systemIdentity = defineCapability({
  name: 'system.identity',
  summary: 'Say who the device is.',
  risk: 'harmless',
  input: z.unknown(),
  output: z.strictObject({
    device_id: z.string(),
    name: z.string(),
    identity_fingerprint: z.string(),
    grpc_url: z.string(),
    paired_at_unix_ms: z.int(),
    palyra_version: z.string(),
    hostname: z.string(),
    os: z.strictObject({
      platform: z.string(),
      arch: z.string(),
      type: z.string(),
      release: z.string(),
      version: z.string(),
    }),
    user: z.string(),
    shell_path: z.array(z.string()),
  }),
  limits: { concurrency: 16 },
  policySchema: z.strictObject({}),
  prepare: () => undefined,
  decide: () => alwaysAllowed('system.identity'),
  async execute(_input, _rules, { facts }) {
    return {
      output: {
        device_id: facts.deviceId,
        name: facts.nodeName,
        identity_fingerprint: facts.identityFingerprint,
        grpc_url: facts.daemonAddress,
        paired_at_unix_ms: facts.pairedAtUnixMs,
        palyra_version: facts.palyraVersion,
        hostname: hostname(),
        os: { platform: platform(), arch: arch(), type: type(), release: release(), version: version() },
        user: ownAccount().name,
        shell_path: [...facts.shellPath],
      },
    };
  },
});

import { statfs } from 'node:fs/promises';
import { availableParallelism, loadavg, totalmem, uptime } from 'node:os';
import * as z from 'zod';
import { defineCapability } from './capability.ts';
import { alwaysAllowed } from './harmless.ts';

const bytes = z.int().nonnegative();

/** How the machine and the node host fare. The input is ignored, as it always was. */
export const systemHealth = defineCapability({
  name: 'system.health',
  summary: 'Say how the machine and its node host fare.',
  risk: 'harmless',
  input: z.unknown(),
  output: z.strictObject({
    status: z.literal('ok'),
    device_id: z.string(),
    grpc_url: z.string(),
    generated_at_unix_ms: z.int(),
    uptime_ms: z.int(),
    node_uptime_ms: z.int(),
    cpus: z.int(),
    load: z.array(z.number()).length(3),
    memory: z.strictObject({ total_bytes: bytes, available_bytes: bytes, node_rss_bytes: bytes }),
    disk: z.strictObject({ path: z.string(), total_bytes: bytes, available_bytes: bytes }),
  }),
  limits: { concurrency: 16 },
  policySchema: z.strictObject({}),
  prepare: () => undefined,
  decide: () => alwaysAllowed('system.health'),
  async execute(_input, _rules, { facts, clock }) {
    const now = clock.now();
    const disk = await statfs(facts.homePath);
    return {
      output: {
        status: 'ok',
        device_id: facts.deviceId,
        grpc_url: facts.daemonAddress,
        generated_at_unix_ms: now,
        uptime_ms: Math.round(uptime() * 1000),
        node_uptime_ms: now - facts.startedAtUnixMs,
        cpus: availableParallelism(),
        load: loadavg(),
        memory: {
          total_bytes: totalmem(),
          available_bytes: process.availableMemory(),
          node_rss_bytes: process.memoryUsage.rss(),
        },
        disk: {
          path: facts.homePath,
          total_bytes: disk.blocks * disk.bsize,
          available_bytes: disk.bavail * disk.bsize,
        },
      },
    };
  },
});

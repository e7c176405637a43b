import { createHash } from 'node:crypto';
import { systemClock } from '../kernel/clock.ts';
import { PalyraError } from '../kernel/errors.ts';
import type { CreateRequestBody, RequestView } from '../wire/views.ts';
import { requestFailure } from './exec-exit.ts';
import { followRequest } from './follow-request.ts';
import type { OperatorClient } from './operator-client.ts';

export interface RemoteFileOptions {
  readonly client: OperatorClient;
  readonly create: CreateRequestBody;
  readonly idempotencyKey: string;
  /** Takes the bytes of the file, in order. */
  readonly write: (data: Buffer) => Promise<void>;
  readonly note: (line: string) => void;
}

interface Arrived {
  readonly bytes: number;
  readonly sha256: string;
}

/** Holds what arrived against what the node says that it sent. Errors: `integrity_mismatch`. */
function assertSame(request: RequestView, { bytes, sha256 }: Arrived): void {
  const { output } = request;
  const told = typeof output === 'object' && output !== null ? (output as Record<string, unknown>) : {};
  const sizes = [request.stdout_bytes, told['read_bytes']].filter((size) => typeof size === 'number');
  const digests = [request.stdout_sha256, told['sha256']].filter((digest) => typeof digest === 'string');
  if (digests.length === 0) {
    throw new PalyraError('integrity_mismatch', 'the node did not say what the bytes must be', {
      details: { request_id: request.request_id },
    });
  }
  if (sizes.every((size) => size === bytes) && digests.every((digest) => digest === sha256)) return;
  throw new PalyraError('integrity_mismatch', `${bytes} bytes arrived that are not the ones the node read`, {
    hint: 'read it again',
    details: { request_id: request.request_id, arrived_bytes: bytes, arrived_sha256: sha256, sizes, digests },
  });
}

/**
 * Reads a file of a node and hands its bytes on as they come; resolves when they are all there and are the right ones.
 * Errors: those of `followRequest` and of the request, `integrity_mismatch`.
 */
export async function readRemoteFile(options: RemoteFileOptions): Promise<RequestView> {
  const { client, create, idempotencyKey, write, note } = options;
  const hash = createHash('sha256');
  let bytes = 0;
  let missing = 0;
  const { request } = await followRequest({
    client,
    clock: systemClock,
    target: { create, idempotencyKey },
    note,
    reader: {
      output: async (channel, data) => {
        if (channel !== 'stdout') return;
        await write(data);
        hash.update(data);
        bytes += data.length;
      },
      gap: (_channel, from, to) => {
        missing += to - from;
      },
    },
  });
  if (request.state !== 'succeeded') throw requestFailure(request);
  if (missing > 0) {
    throw new PalyraError('integrity_mismatch', `${missing} bytes of the file were not kept for us`, {
      hint: 'read it again',
      details: { request_id: request.request_id },
    });
  }
  assertSame(request, { bytes, sha256: hash.digest('hex') });
  return request;
}

// A PalyraError on its way through gRPC and back: the code and hint ride in a binary trailer beside the status.
import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import * as z from 'zod';
import { FAULTS, isErrorCode, PalyraError } from '../kernel/errors.ts';

const TRAILER = 'palyra-error-bin';
const TRAILER_BYTES = 4096;

const Trailer = z.object({
  code: z.string().max(64),
  hint: z.string().max(1024).optional(),
  details: z.record(z.string(), z.unknown()).optional(),
});

/** The status a caller is given. What is not a PalyraError says nothing but that it is internal. */
export function statusOf(error: unknown): Pick<StatusObject, 'code' | 'details' | 'metadata'> {
  const known = error instanceof PalyraError ? error : new PalyraError('internal', 'the daemon met a fault of its own');
  const metadata = new Metadata();
  const trailer = { code: known.code, hint: known.hint, details: known.details };
  metadata.set(TRAILER, Buffer.from(JSON.stringify(trailer)));
  return { code: status[FAULTS[known.code].grpc], details: known.message, metadata };
}

interface CallFailure extends Error {
  readonly code: number;
  readonly details: string;
  readonly metadata?: Metadata;
}

const isCallFailure = (error: unknown): error is CallFailure =>
  error instanceof Error && 'code' in error && typeof error.code === 'number' && 'details' in error;

function trailerOf(failure: CallFailure): z.infer<typeof Trailer> | undefined {
  const [bytes] = failure.metadata?.get(TRAILER) ?? [];
  if (!Buffer.isBuffer(bytes) || bytes.length > TRAILER_BYTES) return undefined;
  try {
    return Trailer.parse(JSON.parse(bytes.toString('utf8')));
  } catch {
    // Not ours: the status alone has to do.
    return undefined;
  }
}

/** What a failed call means to a node; anything that is not a gRPC failure comes back as it was. */
export function errorOfCall(failure: unknown, address: string): unknown {
  if (!isCallFailure(failure)) return failure;
  const trailer = trailerOf(failure);
  if (trailer !== undefined && isErrorCode(trailer.code)) {
    const { hint, details } = trailer;
    return new PalyraError(trailer.code, failure.details, { hint, details, cause: failure });
  }
  return transportFailure(failure, address);
}

const TRANSPORT: readonly (readonly [RegExp, 'unknown_ca' | 'clock_skew' | 'not_a_palyra_daemon', string, string])[] = [
  [
    /CERT_NOT_YET_VALID|CERT_HAS_EXPIRED|certificate is not yet valid|certificate has expired/i,
    'clock_skew',
    'its certificate is not valid at this time of this machine',
    'set the clocks of both machines right, then try again',
  ],
  [
    /self[- ]signed certificate|unable to (verify|get)|UNABLE_TO_|altnames|issuer certificate/i,
    'unknown_ca',
    'its certificate comes from another authority than the one this machine is paired with',
    'check the address; if the daemon was set up anew, run `palyra node unpair --local` and pair again',
  ],
  [
    /wrong version number|packet length too long|EPROTO|Protocol error|http\/1\.1|unsupported protocol/i,
    'not_a_palyra_daemon',
    'something answers there, but not a Palyra daemon',
    'give the node address of the daemon, port 7443 unless it was set otherwise',
  ],
];

function transportFailure(failure: CallFailure, address: string): PalyraError {
  const { details } = failure;
  for (const [pattern, code, what, hint] of TRANSPORT) {
    if (pattern.test(details)) return new PalyraError(code, `${address}: ${what}`, { hint, cause: failure });
  }
  switch (failure.code) {
    case status.UNIMPLEMENTED:
      return new PalyraError('not_a_palyra_daemon', `${address}: ${details}`, { cause: failure });
    case status.DEADLINE_EXCEEDED:
    case status.UNAVAILABLE:
    case status.CANCELLED:
      return new PalyraError('daemon_unreachable', `no answer from the daemon at ${address}: ${plain(details)}`, {
        hint: 'see on its machine whether it runs: `palyra daemon status`',
        cause: failure,
      });
    case status.RESOURCE_EXHAUSTED:
      return new PalyraError('too_many_requests', `${address}: ${details}`, { cause: failure });
    default:
      return new PalyraError('internal', `${address}: ${details}`, { cause: failure });
  }
}

/** The library's own words around the cause of a failed connection help nobody. */
const plain = (details: string): string =>
  details.replace(/^No connection established\. (Last error: )?/, '').replace(/ \(\d{4}-\d\d-\d\dT[\d:.]+Z\)$/, '') ||
  'no answer in time';

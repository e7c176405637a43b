import type { ErrorCode } from '../kernel/errors.ts';
import type { DeviceId, RequestId } from '../kernel/ids.ts';
import { finishRequest, type RequestEnding } from '../store/capability-requests.ts';
import { insertOutput } from '../store/request-output.ts';
import type { Tx } from '../store/store.ts';
import type { LiveRequest } from './live-request.ts';
import type { NodeResult } from './node-link.ts';
import type { OutputChannel } from './types.ts';

/** An end that the daemon itself decides on. */
export interface OwnEnding {
  readonly state: 'cancelled' | 'expired' | 'interrupted' | 'timed_out';
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
}

/** The row of a request that the node answered. */
export function endingOf(live: LiveRequest, result: NodeResult, atUnixMs: number): RequestEnding {
  const truncated = live.channels.stdout.kept().truncated || live.channels.stderr.kept().truncated;
  return {
    state: result.outcome,
    completed_at_unix_ms: atUnixMs,
    started_at_unix_ms: result.startedAtUnixMs ?? live.startedAtUnixMs,
    duration_ms: result.durationMs,
    exit_code: result.exitCode,
    signal: result.signal,
    error_code: result.errorCode,
    error_message: result.errorMessage,
    error_hint: result.errorHint,
    output_json: result.outputJson,
    stdout_bytes: result.channels.stdout.sizeBytes,
    stderr_bytes: result.channels.stderr.sizeBytes,
    stdout_sha256: result.channels.stdout.sha256,
    stderr_sha256: result.channels.stderr.sha256,
    truncated: truncated ? 1 : 0,
    tree_kill: result.treeKill,
    receipt_signature: result.receiptSignature,
  };
}

/** The row of a request that ends without an answer of its node; what output came is kept. */
export function ownEnding(
  live: LiveRequest,
  { state, code, message, hint }: OwnEnding,
  atUnixMs: number,
): RequestEnding {
  const { stdoutBytes, stderrBytes } = live.received;
  return {
    state,
    completed_at_unix_ms: atUnixMs,
    started_at_unix_ms: live.startedAtUnixMs,
    duration_ms: null,
    exit_code: null,
    signal: null,
    error_code: code,
    error_message: message,
    error_hint: hint ?? null,
    output_json: null,
    stdout_bytes: stdoutBytes,
    stderr_bytes: stderrBytes,
    stdout_sha256: null,
    stderr_sha256: null,
    truncated: live.channels.stdout.kept().truncated || live.channels.stderr.kept().truncated ? 1 : 0,
    tree_kill: null,
    receipt_signature: null,
  };
}

const CHANNELS: readonly OutputChannel[] = ['stdout', 'stderr'];

/** Writes the end of a request with what is kept of its output; false when it had ended before. */
export async function writeEnding(tx: Tx, live: LiveRequest, ending: RequestEnding): Promise<boolean> {
  const { requestId, deviceId }: { requestId: RequestId; deviceId: DeviceId } = live;
  if (!(await finishRequest(tx, requestId, deviceId, ending))) return false;
  for (const channel of CHANNELS) {
    const { head, tail, tailOffsetBytes, sizeBytes } = live.channels[channel].kept();
    if (sizeBytes === 0) continue;
    await insertOutput(tx, { request_id: requestId, channel, head, tail, tail_offset_bytes: tailOffsetBytes });
  }
  return true;
}

export const CANCELLED_BEFORE_START: OwnEnding = {
  state: 'cancelled',
  code: 'cancelled',
  message: 'cancelled before it was started',
};

import type { KeyObject } from 'node:crypto';
import type { ResultMessage } from '../../rpc/frames.ts';
import { sha256 } from '../../x509/key-pair.ts';
import { signReceipt } from '../../x509/receipt.ts';
import type { ResultPart } from './result-of.ts';
import type { RunningRequest } from './running-request.ts';

const NOTHING = Buffer.alloc(0);

/** The whole result of a request, under the receipt of this device's key. */
export function signedResult(
  { requestId, message, channels, startedAtUnixMs }: RunningRequest,
  part: ResultPart,
  key: KeyObject,
  finishedAtUnixMs: number,
): ResultMessage {
  const stdoutSha256 = channels.stdout.sha256();
  const stderrSha256 = channels.stderr.sha256();
  const inputSha256 = sha256(message.input_json);
  const signature = signReceipt(key, {
    requestId,
    outcome: part.outcome,
    inputSha256,
    stdoutSha256,
    stderrSha256,
    outputJson: part.output_json ?? NOTHING,
    exitCode: part.exit_code ?? null,
  });
  return {
    ...part,
    request_id: requestId,
    stdout: { size_bytes: channels.stdout.sizeBytes, sha256: stdoutSha256 },
    stderr: { size_bytes: channels.stderr.sizeBytes, sha256: stderrSha256 },
    ...(startedAtUnixMs !== undefined && {
      started_at_unix_ms: startedAtUnixMs,
      duration_ms: Math.max(0, finishedAtUnixMs - startedAtUnixMs),
    }),
    finished_at_unix_ms: finishedAtUnixMs,
    receipt_signature: signature,
    input_sha256: inputSha256,
  };
}

import type { KeptChannel, KeptOutput } from '../dispatch/types.ts';
import type { CapabilityRequestRow } from '../store/schema.ts';
import { textOrBase64 } from '../wire/text-or-base64.ts';
import type { KeptChannelView, KeptOutputView, RequestErrorView, RequestView } from '../wire/views.ts';

const SECRET_FIELD = 'secret_env';

/** The input without what `secret_env` says: its names may be seen, its values never. */
function shownInput(inputJson: string): unknown {
  const input: unknown = JSON.parse(inputJson);
  if (typeof input !== 'object' || input === null || !(SECRET_FIELD in input)) return input;
  const secrets = input[SECRET_FIELD];
  const names = typeof secrets === 'object' && secrets !== null ? Object.keys(secrets) : [];
  return { ...input, [SECRET_FIELD]: Object.fromEntries(names.map((name) => [name, '[redacted]'])) };
}

function errorView({ error_code, error_message, error_hint }: CapabilityRequestRow): RequestErrorView | null {
  if (error_code === null) return null;
  return { code: error_code, message: error_message ?? '', hint: error_hint };
}

export function requestView(row: CapabilityRequestRow): RequestView {
  return {
    request_id: row.request_id,
    device_id: row.device_id,
    capability: row.capability,
    state: row.state,
    input: shownInput(row.input_json),
    stdin_mode: row.stdin_mode,
    created_by: row.created_by,
    created_at_unix_ms: row.created_at_unix_ms,
    queue_expires_at_unix_ms: row.queue_expires_at_unix_ms,
    run_timeout_ms: row.run_timeout_ms,
    cancel_requested_at_unix_ms: row.cancel_requested_at_unix_ms,
    cancel_requested_by: row.cancel_requested_by,
    dispatched_at_unix_ms: row.dispatched_at_unix_ms,
    started_at_unix_ms: row.started_at_unix_ms,
    completed_at_unix_ms: row.completed_at_unix_ms,
    duration_ms: row.duration_ms,
    exit_code: row.exit_code,
    signal: row.signal,
    error: errorView(row),
    output: row.output_json === null ? null : (JSON.parse(row.output_json) as unknown),
    stdout_bytes: row.stdout_bytes,
    stderr_bytes: row.stderr_bytes,
    stdout_sha256: row.stdout_sha256,
    stderr_sha256: row.stderr_sha256,
    truncated: row.truncated === 1,
    tree_kill: row.tree_kill,
  };
}

const channelView = ({ head, tail, tailOffsetBytes, sizeBytes, truncated }: KeptChannel): KeptChannelView => ({
  size_bytes: sizeBytes,
  truncated,
  ...textOrBase64('head', head),
  ...(tail !== null && textOrBase64('tail', tail)),
  tail_offset_bytes: tailOffsetBytes,
});

export const keptOutputView = (requestId: string, { stdout, stderr }: KeptOutput): KeptOutputView => ({
  request_id: requestId,
  stdout: channelView(stdout),
  stderr: channelView(stderr),
});

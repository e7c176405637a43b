// The one error class of the program and the one table that says what each code means on every surface.

/** What a failure means to whoever retries: `transient` may succeed later unchanged, `permanent` will not. */
export type Retry = 'transient' | 'permanent';

interface Fault {
  /** Name of the gRPC status code. */
  readonly grpc: GrpcStatus;
  readonly http: number;
  /** Exit code of the CLI (DESIGN 11); `nodes exec` maps all of them to 125. */
  readonly exit: number;
  readonly retry: Retry;
  /** One sentence for docs/errors.md: when it happens. */
  readonly when: string;
}

type GrpcStatus =
  | 'CANCELLED'
  | 'INVALID_ARGUMENT'
  | 'DEADLINE_EXCEEDED'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'PERMISSION_DENIED'
  | 'RESOURCE_EXHAUSTED'
  | 'FAILED_PRECONDITION'
  | 'ABORTED'
  | 'UNIMPLEMENTED'
  | 'INTERNAL'
  | 'UNAVAILABLE'
  | 'DATA_LOSS'
  | 'UNAUTHENTICATED';

const fault = (grpc: GrpcStatus, http: number, exit: number, retry: Retry, when: string): Fault => ({
  grpc,
  http,
  exit,
  retry,
  when,
});

export const FAULTS = {
  // 1: internal
  internal: fault('INTERNAL', 500, 1, 'permanent', 'A fault of Palyra itself; the log has it under the request id.'),
  store_failed: fault('INTERNAL', 500, 1, 'permanent', 'The database refused a write; nothing was accepted.'),
  disk_full: fault(
    'RESOURCE_EXHAUSTED',
    507,
    1,
    'transient',
    'A disk is full: of the home folder, or of a file to write.',
  ),
  database_damaged: fault('DATA_LOSS', 500, 1, 'permanent', 'The database file is not readable as a database.'),
  integrity_mismatch: fault('DATA_LOSS', 502, 1, 'transient', 'The bytes that arrived are not those that were sent.'),
  credential_damaged: fault(
    'DATA_LOSS',
    500,
    1,
    'permanent',
    'A key or certificate file is damaged, or does not fit the other; it was left as it is.',
  ),
  database_newer: fault(
    'FAILED_PRECONDITION',
    500,
    1,
    'permanent',
    'The database or node-runtime.v1.json was written by a newer version.',
  ),

  // 2: usage and validation
  usage: fault('INVALID_ARGUMENT', 400, 2, 'permanent', 'A flag or argument is missing, unknown or malformed.'),
  invalid_argument: fault('INVALID_ARGUMENT', 400, 2, 'permanent', 'A field of a request does not fit its schema.'),
  config_invalid: fault('INVALID_ARGUMENT', 400, 2, 'permanent', 'A configuration file or variable is wrong.'),
  policy_invalid: fault('INVALID_ARGUMENT', 400, 2, 'permanent', 'node-policy.json does not fit its schema.'),
  pin_malformed: fault(
    'INVALID_ARGUMENT',
    400,
    2,
    'permanent',
    'The PIN or token has a typing error; nothing was sent.',
  ),
  payload_too_large: fault('RESOURCE_EXHAUSTED', 413, 2, 'permanent', 'A request body or field is above its limit.'),
  method_not_allowed: fault('UNIMPLEMENTED', 405, 2, 'permanent', 'The route exists, but not for this HTTP method.'),
  unsupported_platform: fault('UNIMPLEMENTED', 501, 2, 'permanent', 'This operating system cannot do that.'),

  // 3: authentication
  unauthenticated: fault('UNAUTHENTICATED', 401, 3, 'permanent', 'No credential, or one that is not valid.'),
  certificate_required: fault('UNAUTHENTICATED', 401, 3, 'permanent', 'The call needs a device certificate.'),
  certificate_expired: fault('UNAUTHENTICATED', 401, 3, 'permanent', 'The device certificate is past its end.'),
  certificate_unknown: fault('UNAUTHENTICATED', 401, 3, 'permanent', 'The certificate is not one this daemon issued.'),
  certificate_superseded: fault('UNAUTHENTICATED', 401, 3, 'permanent', 'A newer certificate of the device is in use.'),
  pairing_code_invalid: fault(
    'PERMISSION_DENIED',
    403,
    3,
    'permanent',
    'The code is wrong, expired, used up or was made by another daemon.',
  ),
  pairing_proof_invalid: fault(
    'PERMISSION_DENIED',
    403,
    3,
    'permanent',
    'The proof of the device key does not verify.',
  ),
  daemon_not_proven: fault(
    'PERMISSION_DENIED',
    403,
    3,
    'permanent',
    'The daemon could not prove that it made the code, or knows the operator token.',
  ),
  credential_unsafe: fault('PERMISSION_DENIED', 403, 3, 'permanent', 'A key or token file can be read by others.'),

  // 4: unreachable
  daemon_unreachable: fault('UNAVAILABLE', 503, 4, 'transient', 'Nothing answers at the address of the daemon.'),
  daemon_draining: fault('UNAVAILABLE', 503, 4, 'transient', 'The daemon is stopping; try again.'),
  not_a_palyra_daemon: fault('UNAVAILABLE', 502, 4, 'permanent', 'Something answers there, but not a Palyra daemon.'),
  unknown_ca: fault('UNAVAILABLE', 502, 4, 'permanent', 'The daemon shows a certificate of another authority.'),
  clock_skew: fault('UNAVAILABLE', 502, 4, 'transient', 'The clocks of the two machines are too far apart.'),
  node_offline: fault('UNAVAILABLE', 503, 4, 'transient', 'The node has no open stream to the daemon.'),
  store_unavailable: fault('UNAVAILABLE', 503, 4, 'transient', 'The database does not answer; nothing was accepted.'),

  // 5: denied
  host_not_allowed: fault('PERMISSION_DENIED', 421, 5, 'permanent', 'The Host header is not a name of this daemon.'),
  origin_not_allowed: fault('PERMISSION_DENIED', 403, 5, 'permanent', 'A page of another origin made the request.'),
  permission_denied: fault('PERMISSION_DENIED', 403, 5, 'permanent', 'The role of the operator does not allow it.'),
  policy_denied: fault('PERMISSION_DENIED', 403, 5, 'permanent', "The node owner's policy does not allow it."),
  path_outside_roots: fault('PERMISSION_DENIED', 403, 5, 'permanent', 'The path is not inside an allowed root.'),
  path_refused: fault('PERMISSION_DENIED', 403, 5, 'permanent', 'The path leads through a link, device or secret.'),
  device_mismatch: fault('PERMISSION_DENIED', 403, 5, 'permanent', 'The certificate belongs to another device.'),
  device_revoked: fault('PERMISSION_DENIED', 403, 5, 'permanent', 'The device was revoked by an operator.'),
  device_suspended: fault('PERMISSION_DENIED', 403, 5, 'permanent', 'The device was suspended by an operator.'),
  device_removed: fault('PERMISSION_DENIED', 403, 5, 'permanent', 'The device was removed by an operator.'),
  device_not_registered: fault('FAILED_PRECONDITION', 409, 5, 'permanent', 'The device has not finished pairing.'),
  capability_unapproved: fault('PERMISSION_DENIED', 403, 5, 'permanent', 'The approver did not grant the capability.'),
  capability_unavailable: fault(
    'FAILED_PRECONDITION',
    409,
    5,
    'permanent',
    'The node does not offer the capability now.',
  ),
  pairing_rejected: fault('PERMISSION_DENIED', 403, 5, 'permanent', 'An approver refused the pairing request.'),

  // 6: not found
  not_found: fault('NOT_FOUND', 404, 6, 'permanent', 'No such thing.'),
  node_not_found: fault('NOT_FOUND', 404, 6, 'permanent', 'No node has this name or id.'),
  request_not_found: fault('NOT_FOUND', 404, 6, 'permanent', 'No capability request has this id.'),
  pairing_request_not_found: fault('NOT_FOUND', 404, 6, 'permanent', 'No pairing request has this id.'),
  pairing_session_not_found: fault('NOT_FOUND', 404, 6, 'transient', 'The pairing handshake is gone; begin anew.'),
  capability_unknown: fault('NOT_FOUND', 404, 6, 'permanent', 'The node has no capability of this name.'),
  path_not_found: fault('NOT_FOUND', 404, 6, 'permanent', 'No such file or folder on the node.'),
  program_not_found: fault('NOT_FOUND', 404, 6, 'permanent', 'The program does not exist on the node.'),
  service_not_installed: fault('NOT_FOUND', 404, 6, 'permanent', 'No service of ours is registered here.'),

  // 7: conflict and precondition
  conflict: fault('FAILED_PRECONDITION', 409, 7, 'permanent', 'The thing is not in a state that allows it.'),
  ambiguous_name: fault('FAILED_PRECONDITION', 409, 7, 'permanent', 'Several nodes fit; name one by its id.'),
  pairing_request_closed: fault('FAILED_PRECONDITION', 409, 7, 'permanent', 'The pairing request has ended already.'),
  approval_already_decided: fault('FAILED_PRECONDITION', 409, 7, 'permanent', 'Somebody decided the other way before.'),
  request_already_finished: fault('FAILED_PRECONDITION', 409, 7, 'permanent', 'The capability request has ended.'),
  idempotency_mismatch: fault(
    'FAILED_PRECONDITION',
    422,
    7,
    'permanent',
    'The idempotency key was used for another request.',
  ),
  already_paired: fault('FAILED_PRECONDITION', 409, 7, 'permanent', 'This machine is paired already.'),
  not_paired: fault('FAILED_PRECONDITION', 409, 7, 'permanent', 'This machine is not paired with a daemon.'),
  node_config_damaged: fault('FAILED_PRECONDITION', 409, 7, 'permanent', 'node-host.json cannot be read.'),
  daemon_already_running: fault('FAILED_PRECONDITION', 409, 7, 'permanent', 'Another daemon uses this home folder.'),
  node_already_running: fault('FAILED_PRECONDITION', 409, 7, 'permanent', 'Another node host uses this home folder.'),
  port_taken: fault('FAILED_PRECONDITION', 409, 7, 'permanent', 'Another program listens on this port.'),
  no_permission: fault('FAILED_PRECONDITION', 409, 7, 'permanent', 'The operating system refused access to a file.'),
  file_exists: fault('ALREADY_EXISTS', 409, 7, 'permanent', 'The name is taken, and nothing was to be replaced.'),
  file_differs: fault('FAILED_PRECONDITION', 409, 7, 'permanent', 'The file is not the one that was to be replaced.'),
  not_a_file: fault('FAILED_PRECONDITION', 409, 7, 'permanent', 'The path is a folder or another non-file.'),
  not_a_directory: fault('FAILED_PRECONDITION', 409, 7, 'permanent', 'The path is not a folder.'),
  program_not_executable: fault('FAILED_PRECONDITION', 409, 7, 'permanent', 'The program cannot be executed.'),
  csr_invalid: fault('INVALID_ARGUMENT', 400, 7, 'permanent', 'The certificate request is malformed or not signed.'),
  csr_key_unsupported: fault('INVALID_ARGUMENT', 400, 7, 'permanent', 'The key is not ECDSA P-256.'),
  session_superseded: fault('ABORTED', 409, 7, 'permanent', 'A newer session of the device replaced this one.'),
  too_many_requests: fault('RESOURCE_EXHAUSTED', 429, 7, 'transient', 'A rate limit was reached; wait and retry.'),
  too_many_codes: fault('RESOURCE_EXHAUSTED', 429, 7, 'transient', 'Too many live PINs; revoke one or use a token.'),
  node_busy: fault('RESOURCE_EXHAUSTED', 429, 7, 'transient', 'The node runs as many requests as it may.'),
  service_failed: fault('FAILED_PRECONDITION', 409, 7, 'permanent', 'The service manager reported a failure.'),
  interrupted: fault('ABORTED', 409, 7, 'permanent', 'The node lost the request: it or its machine restarted.'),
  spawn_failed: fault('FAILED_PRECONDITION', 409, 7, 'transient', 'The node could not start the program.'),
  kill_failed: fault('INTERNAL', 500, 7, 'permanent', 'Processes of the request could not be ended.'),

  // 8 and 130: time
  timed_out: fault('DEADLINE_EXCEEDED', 504, 8, 'transient', 'The run time limit was reached.'),
  queue_expired: fault('DEADLINE_EXCEEDED', 504, 8, 'transient', 'The node did not come back in time; it never ran.'),
  approval_expired: fault('DEADLINE_EXCEEDED', 504, 8, 'transient', 'Nobody decided in time.'),
  cancelled: fault('CANCELLED', 409, 130, 'permanent', 'Somebody cancelled it.'),
} as const satisfies Record<string, Fault>;

export type ErrorCode = keyof typeof FAULTS;

export const isErrorCode = (text: string): text is ErrorCode => Object.hasOwn(FAULTS, text);

export interface ErrorOptions {
  /** The next thing to do, best as a command to type. */
  readonly hint?: string | undefined;
  readonly details?: Readonly<Record<string, unknown>> | undefined;
  readonly cause?: unknown;
}

/** A failure the caller can act on. Anything else that is thrown becomes `internal` at the edge. */
export class PalyraError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(code: ErrorCode, message: string, { hint, details, cause }: ErrorOptions = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'PalyraError';
    this.code = code;
    this.hint = hint;
    this.details = details;
  }

  get retry(): Retry {
    return FAULTS[this.code].retry;
  }
}

/** `code` of a Node system error (`ENOENT`, …), or undefined for anything else. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

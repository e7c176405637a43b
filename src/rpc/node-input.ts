// What a node sent, checked at the edge: it may be anyone's machine, so every field has a form and a limit.
import type { LedgerEntry, NodeResult, OutputPiece } from '../dispatch/node-link.ts';
import type { InstanceFacts } from '../inventory/inventory.ts';
import type { CapabilityOffer } from '../inventory/records.ts';
import { PalyraError } from '../kernel/errors.ts';
import type { RequestId } from '../kernel/ids.ts';
import { isUlid } from '../kernel/is-ulid.ts';
import { LIMITS } from '../kernel/limits.ts';
import {
  type CapabilityOfferMessage,
  type ChannelSummaryMessage,
  LEDGER_STATE,
  type LedgerEntryMessage,
  nameOf,
  OUTCOME,
  OUTPUT_CHANNEL,
  type OutputMessage,
  type ResultMessage,
} from './frames.ts';
import type { RegisterNodeRequest__Output } from './generated/palyra/node/v1/RegisterNodeRequest.ts';

const SHORT = 256;
const MESSAGE = 4096;
const HASH_BYTES = 32;
const SIGNATURE_BYTES = 128;
const CAPABILITY_NAME = /^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$/;

const malformed = (what: string): PalyraError => new PalyraError('invalid_argument', `malformed message: ${what}`);

/** Text of at most `longest` characters without control characters: it is shown to people. */
function text(value: string | undefined, what: string, longest = SHORT): string {
  const given = value ?? '';
  if (given.length > longest) throw malformed(`${what} has ${given.length} characters, at most ${longest}`);
  if (/\p{Cc}/u.test(given)) throw malformed(`${what} has control characters`);
  return given;
}

function count(value: number | undefined, what: string): number {
  const given = value ?? 0;
  if (!Number.isSafeInteger(given) || given < 0) throw malformed(`${what} is not a count`);
  return given;
}

export function requestIdOf(value: string | undefined): RequestId {
  if (value === undefined || !isUlid(value)) throw malformed('no request id');
  return value as RequestId;
}

export function offersOf(messages: readonly CapabilityOfferMessage[]): CapabilityOffer[] {
  if (messages.length > LIMITS.capabilitiesPerNode) throw malformed(`${messages.length} capabilities`);
  const seen = new Set<string>();
  return messages.map(({ name, available, unavailable_reason }) => {
    const known = text(name, 'the name of a capability', LIMITS.capabilityNameLength);
    if (!CAPABILITY_NAME.test(known) || seen.has(known)) throw malformed('the name of a capability');
    seen.add(known);
    const reason = text(unavailable_reason, 'the reason of a capability');
    return { name: known, available: available === true, unavailable_reason: reason === '' ? null : reason };
  });
}

export function instanceOf(request: RegisterNodeRequest__Output, remoteAddress: string): InstanceFacts {
  const { instance } = request;
  if (instance === null || instance === undefined) throw malformed('no instance');
  return {
    bootId: text(instance.boot_id, 'boot_id'),
    ledgerId: text(instance.ledger_id, 'ledger_id'),
    pid: count(instance.pid, 'pid'),
    startedAtUnixMs: count(instance.started_at_unix_ms, 'started_at_unix_ms'),
    palyraVersion: text(instance.palyra_version, 'palyra_version', LIMITS.nameLength),
    platform: text(instance.platform, 'platform', LIMITS.nameLength),
    arch: text(instance.arch, 'arch', LIMITS.nameLength),
    osVersion: text(instance.os_version, 'os_version'),
    hostname: text(instance.hostname, 'hostname'),
    remoteAddress,
    nodeUnixMs: count(request.node_unix_ms, 'node_unix_ms'),
  };
}

export function ledgerEntryOf(message: LedgerEntryMessage): LedgerEntry {
  const state = nameOf(LEDGER_STATE, message.state);
  if (state === undefined) throw malformed(`ledger state ${message.state}`);
  return {
    requestId: requestIdOf(message.request_id),
    state,
    stdinAckedBytes: count(message.stdin_acked_bytes, 'stdin_acked_bytes'),
    stdinClosed: false,
  };
}

export function outputPieceOf(message: OutputMessage): OutputPiece {
  const channel = nameOf(OUTPUT_CHANNEL, message.channel);
  if (channel === undefined) throw malformed(`output channel ${message.channel}`);
  if (message.data.length > LIMITS.chunkBytes) throw malformed(`${message.data.length} bytes in one chunk`);
  return {
    channel,
    offset: count(message.offset, 'offset'),
    data: message.data,
    skippedBytes: count(message.skipped_bytes, 'skipped_bytes'),
  };
}

function channelEnd(summary: ChannelSummaryMessage | null | undefined): NodeResult['channels']['stdout'] {
  if (summary === null || summary === undefined) return { sizeBytes: 0, sha256: null };
  const { sha256 } = summary;
  if (sha256.length !== 0 && sha256.length !== HASH_BYTES) throw malformed('a hash');
  return {
    sizeBytes: count(summary.size_bytes, 'size_bytes'),
    sha256: sha256.length === 0 ? null : sha256.toString('hex'),
  };
}

function jsonText(bytes: Buffer | undefined): string | null {
  if (bytes === undefined || bytes.length === 0) return null;
  if (bytes.length > LIMITS.outputJsonBytes) throw malformed(`${bytes.length} bytes of structured output`);
  const given = bytes.toString('utf8');
  try {
    JSON.parse(given);
  } catch {
    throw malformed('structured output is not JSON');
  }
  return given;
}

const orNull = (given: string): string | null => (given === '' ? null : given);

export function resultOf(message: ResultMessage): NodeResult {
  const outcome = nameOf(OUTCOME, message.outcome);
  if (outcome === undefined) throw malformed(`outcome ${message.outcome}`);
  const { exit_code: exitCode, receipt_signature: signature } = message;
  if (signature !== undefined && signature.length > SIGNATURE_BYTES) throw malformed('a signature');
  const startedAtUnixMs = count(message.started_at_unix_ms, 'started_at_unix_ms');
  return {
    requestId: requestIdOf(message.request_id),
    outcome,
    errorCode: orNull(text(message.error_code, 'error_code', LIMITS.nameLength)),
    errorMessage: orNull((message.error_message ?? '').slice(0, MESSAGE)),
    errorHint: orNull((message.error_hint ?? '').slice(0, MESSAGE)),
    outputJson: jsonText(message.output_json),
    exitCode: exitCode ?? null,
    signal: orNull(text(message.signal, 'signal', LIMITS.nameLength)),
    channels: { stdout: channelEnd(message.stdout), stderr: channelEnd(message.stderr) },
    startedAtUnixMs: startedAtUnixMs === 0 ? null : startedAtUnixMs,
    durationMs: startedAtUnixMs === 0 ? null : count(message.duration_ms, 'duration_ms'),
    treeKill: orNull(text(message.tree_kill, 'tree_kill', LIMITS.nameLength)),
    receiptSignature: signature === undefined || signature.length === 0 ? null : signature,
  };
}

export const degradedReasonOf = (value: string | undefined): string | null => orNull(text(value, 'degraded_reason'));

import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { NodeLink, NodeOrder, Reconciliation } from '../dispatch/node-link.ts';
import type { WatchOffsets } from '../dispatch/types.ts';
import { PalyraError } from '../kernel/errors.ts';
import type { DeviceId, RequestId, SessionId } from '../kernel/ids.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { NodeSessionRow } from '../store/schema.ts';
import { FrameBatcher } from './frame-batch.ts';
import { type DaemonFrame, type NodeFrame, STDIN_MODE } from './frames.ts';
import { statusOf } from './status.ts';

export type NodeCall = ServerDuplexStream<NodeFrame, DaemonFrame>;

const NO_STDIN = Buffer.alloc(0);

/** A node's open stream as the dispatch room uses it. Frames of one turn leave together. */
export class NodeSession implements NodeLink {
  readonly deviceId: DeviceId;
  readonly sessionId: SessionId;
  readonly epoch: number;
  readonly ledgerId: string;
  readonly fingerprint: string;
  readonly peer: string;
  lastFrameAtMs: number;
  /** What the node said before it stopped. */
  farewell: string | undefined;
  #beats = 0;
  #backlogBytes = 0;
  #over = false;
  readonly #call: NodeCall;
  readonly #batcher: FrameBatcher<DaemonFrame>;

  constructor(
    call: NodeCall,
    row: NodeSessionRow,
    { fingerprint, nowMs }: { readonly fingerprint: string; readonly nowMs: number },
  ) {
    this.#call = call;
    this.deviceId = row.device_id;
    this.sessionId = row.session_id;
    this.epoch = row.epoch;
    this.ledgerId = row.ledger_id;
    this.fingerprint = fingerprint;
    this.peer = call.getPeer();
    this.lastFrameAtMs = nowMs;
    this.#batcher = new FrameBatcher((frame) => void call.write(frame));
  }

  get over(): boolean {
    return this.#over;
  }

  /** First frame down: what both sides agree on. Leaves before anything else. */
  welcome(heartbeatMs: number, { resume, forget }: Reconciliation): void {
    this.#batcher.add({
      welcome: {
        heartbeat_ms: heartbeatMs,
        resume: resume.map(({ requestId, offsets, stdinBytes }) => ({
          request_id: requestId,
          stdout_offset_bytes: offsets.stdoutBytes,
          stderr_offset_bytes: offsets.stderrBytes,
          stdin_offset_bytes: stdinBytes,
        })),
        forget,
      },
    });
    this.#batcher.flush();
  }

  dispatch(order: NodeOrder): void {
    const input = Buffer.from(order.inputJson);
    const bytes = input.length + (order.stdin?.length ?? 0);
    this.#add(
      {
        dispatch: {
          request_id: order.requestId,
          capability: order.capability,
          input_json: input,
          run_timeout_ms: order.runTimeoutMs,
          queue_expires_at_unix_ms: order.queueExpiresAtUnixMs,
          queue_left_ms: order.queueLeftMs,
          stdin_mode: STDIN_MODE[order.stdinMode],
          stdin: order.stdin ?? NO_STDIN,
          output_credit_bytes: LIMITS.requestCreditBytes,
          attached: order.attached,
          epoch: this.epoch,
          requested_by: order.requestedBy,
        },
      },
      bytes,
    );
  }

  cancel(requestId: RequestId, reason: string): void {
    this.#add({ cancel: { request_id: requestId, reason } });
  }

  acknowledgeResult(requestId: RequestId): void {
    this.#add({ result_ack: { request_id: requestId } });
  }

  acknowledgeOutput(requestId: RequestId, { stdoutBytes, stderrBytes }: WatchOffsets, detached: boolean): void {
    this.#add({
      output_ack: {
        request_id: requestId,
        stdout_acked_bytes: stdoutBytes,
        stderr_acked_bytes: stderrBytes,
        detached,
      },
    });
  }

  /** Every second heartbeat is answered: enough for the node to know that this side lives (DESIGN 16.2). */
  heartbeat(nowUnixMs: number, heartbeatMs: number): void {
    this.#beats += 1;
    if (this.#beats % 2 === 1) return;
    this.#add({ heartbeat_reply: { daemon_unix_ms: nowUnixMs, heartbeat_ms: heartbeatMs } });
  }

  drain(retryAfterMs: number): void {
    this.#add({ drain: { retry_after_ms: retryAfterMs, reason: 'the daemon is stopping' } });
    this.#batcher.flush();
  }

  /** The node says no more: what waits here leaves, then the stream ends in order. */
  finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#batcher.flush();
    this.#call.end();
  }

  /** Ends the stream with its cause. */
  fail(cause: PalyraError): void {
    if (this.#over) return;
    this.#over = true;
    this.farewell = cause.message;
    this.#call.emit('error', statusOf(cause));
  }

  #add(frame: DaemonFrame, payloadBytes = 0): void {
    if (this.#over) return;
    this.#batcher.add(frame, payloadBytes);
    if (payloadBytes === 0) return;
    // grpc-js counts messages, not bytes: a node that does not read must not fill this process.
    this.#backlogBytes = this.#call.writableLength === 0 ? payloadBytes : this.#backlogBytes + payloadBytes;
    if (this.#backlogBytes > LIMITS.nodeBacklogBytes) {
      this.fail(new PalyraError('too_many_requests', 'the node does not read what is sent to it'));
    }
  }
}

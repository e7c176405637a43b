// NodeService: from messages to the domain rooms. The gate has proven whose call it is before anything here runs.
import type {
  handleUnaryCall,
  ServerDuplexStream,
  ServerUnaryCall,
  sendUnaryData,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Clock } from '../kernel/clock.ts';
import { PalyraError } from '../kernel/errors.ts';
import type { DeviceId, SessionId } from '../kernel/ids.ts';
import { isUlid } from '../kernel/is-ulid.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { Logger } from '../kernel/log.ts';
import type { Connections } from './connections.ts';
import { membersOf } from './frame-batch.ts';
import type { BulkFromDaemon, BulkFromNode, CapabilityOfferMessage, NodeFrame } from './frames.ts';
import type { DeviceCertificate } from './generated/palyra/node/v1/DeviceCertificate.ts';
import type { RegisterNodeRequest__Output } from './generated/palyra/node/v1/RegisterNodeRequest.ts';
import type { RegisterNodeResponse } from './generated/palyra/node/v1/RegisterNodeResponse.ts';
import type { RevokeDevicePairingRequest__Output } from './generated/palyra/node/v1/RevokeDevicePairingRequest.ts';
import type { RevokeDevicePairingResponse } from './generated/palyra/node/v1/RevokeDevicePairingResponse.ts';
import type { RotateDeviceCertificateRequest__Output } from './generated/palyra/node/v1/RotateDeviceCertificateRequest.ts';
import {
  degradedReasonOf,
  instanceOf,
  ledgerEntryOf,
  offersOf,
  outputPieceOf,
  requestIdOf,
  resultOf,
} from './node-input.ts';
import { type NodeCall, NodeSession } from './node-session.ts';
import type { NodeSessions } from './node-sessions.ts';
import type { IdentityPort, InventoryPort, NodeEventsPort } from './ports.ts';
import { addressOfPeer } from './source.ts';
import { statusOf } from './status.ts';

export interface NodeServicePorts {
  readonly identity: IdentityPort;
  readonly inventory: InventoryPort;
  readonly dispatch: NodeEventsPort;
  readonly sessions: NodeSessions;
  readonly connections: Connections;
  readonly daemonId: string;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Caller {
  readonly deviceId: DeviceId;
  readonly fingerprint: string;
  readonly address: string;
}

const HELLO_MS = 15_000;
const CHANGED_KEY_PROOF_BYTES = 128;

/** The handlers of NodeService (the seed's name for them). */
export class NodeRpcServiceImpl {
  readonly #ports: NodeServicePorts;

  constructor(ports: NodeServicePorts) {
    this.#ports = ports;
  }

  handlers(): UntypedServiceImplementation {
    return {
      RegisterNode: this.#unary((call: ServerUnaryCall<RegisterNodeRequest__Output, RegisterNodeResponse>) =>
        this.#register(this.#caller(call.getPeer()), call.request),
      ),
      RotateDeviceCertificate: this.#unary(
        (call: ServerUnaryCall<RotateDeviceCertificateRequest__Output, DeviceCertificate>) =>
          this.#rotate(this.#caller(call.getPeer()), call.request),
      ),
      RevokeDevicePairing: this.#unary(
        (call: ServerUnaryCall<RevokeDevicePairingRequest__Output, RevokeDevicePairingResponse>) =>
          this.#leave(this.#caller(call.getPeer()), call.request),
      ),
      StreamNodeEvents: (call: NodeCall) => this.#stream(call),
      ExecuteCapability: (call: ServerDuplexStream<BulkFromNode, BulkFromDaemon>) => this.#bulk(call),
    };
  }

  #unary<In, Out>(handle: (call: ServerUnaryCall<In, Out>) => Promise<Out>): handleUnaryCall<In, Out> {
    const answer = async (call: ServerUnaryCall<In, Out>, reply: sendUnaryData<Out>): Promise<void> => {
      let answered: Out;
      try {
        answered = await handle(call);
      } catch (error) {
        reply(this.#told(error));
        return;
      }
      reply(null, answered);
    };
    return (call: ServerUnaryCall<In, Out>, reply: sendUnaryData<Out>) => {
      void answer(call, reply);
    };
  }

  /** A fault of ours is logged; the other side hears only that there was one. */
  #told(error: unknown): ReturnType<typeof statusOf> {
    if (!(error instanceof PalyraError)) this.#ports.log.error({ err: error }, 'a call of a node failed');
    return statusOf(error);
  }

  #caller(peer: string): Caller {
    const connection = this.#ports.connections.of(peer);
    const { deviceId, fingerprint } = connection ?? {};
    if (deviceId === undefined || fingerprint === undefined || fingerprint === null) {
      throw new PalyraError('certificate_required', 'this call needs the certificate of a paired device');
    }
    return { deviceId, fingerprint, address: addressOfPeer(peer) };
  }

  async #register(caller: Caller, request: RegisterNodeRequest__Output): Promise<RegisterNodeResponse> {
    const { identity, inventory, clock, daemonId } = this.#ports;
    const { deviceId, fingerprint } = caller;
    sameDevice(request.device_id, deviceId);
    const instance = instanceOf(request, caller.address);
    const offers = offersOf((request.capabilities ?? []) as CapabilityOfferMessage[]);
    await identity.completeEnrolment(deviceId, fingerprint);
    await identity.certificateUsed(deviceId, fingerprint);
    const session = await inventory.register(deviceId, instance, offers);
    const { der, sequence } = identity.bundle();
    return {
      device_id: deviceId,
      session_id: session.sessionId,
      epoch: session.epoch,
      name: session.name,
      heartbeat_ms: inventory.heartbeatMs,
      ca_bundle_der: [...der],
      ca_sequence: sequence,
      last_seen_token: session.lastSeenToken,
      daemon_unix_ms: clock.now(),
      daemon_id: daemonId,
      certificate_renew_after_unix_ms: identity.renewAfter(fingerprint),
    };
  }

  async #rotate(caller: Caller, request: RotateDeviceCertificateRequest__Output): Promise<DeviceCertificate> {
    sameDevice(request.device_id, caller.deviceId);
    const csrDer = request.csr_der ?? Buffer.alloc(0);
    const proof = request.new_key_proof ?? Buffer.alloc(0);
    if (csrDer.length > LIMITS.csrBytes || proof.length > CHANGED_KEY_PROOF_BYTES) {
      throw new PalyraError('payload_too_large', 'the certificate request is too large');
    }
    const issued = await this.#ports.identity.rotate(caller.deviceId, caller.fingerprint, {
      csrDer,
      reason: (request.reason ?? '').slice(0, 256),
      newKeyProof: proof.length === 0 ? null : proof,
    });
    return {
      certificate_chain_der: [...issued.chainDer],
      ca_bundle_der: [...issued.bundleDer],
      device_id: caller.deviceId,
      not_after_unix_ms: issued.notAfterUnixMs,
      renew_after_unix_ms: issued.renewAfterUnixMs,
    };
  }

  async #leave(caller: Caller, request: RevokeDevicePairingRequest__Output): Promise<RevokeDevicePairingResponse> {
    sameDevice(request.device_id, caller.deviceId);
    await this.#ports.identity.leave(caller.deviceId, (request.reason ?? '').slice(0, 256), caller.address);
    return { revoked: true };
  }

  #stream(call: NodeCall): void {
    const { clock, dispatch, inventory, sessions, log } = this.#ports;
    let session: NodeSession | undefined;
    let ended = false;
    const stopWaiting = clock.after(HELLO_MS, () => {
      if (session === undefined) call.emit('error', statusOf(new PalyraError('invalid_argument', 'no hello came')));
    });
    const end = (reason: string): void => {
      if (ended) return;
      ended = true;
      stopWaiting();
      if (session === undefined) return;
      session.finish();
      sessions.remove(session);
      dispatch.linkClosed(session);
      inventory
        .closed(session.deviceId, session.sessionId, reason)
        .catch((cause: unknown) => log.error({ err: cause }, 'the end of a session could not be written'));
    };
    // The node learns that the stream stands before it has anything to hear.
    call.sendMetadata(call.metadata.clone());
    call.on('data', (message: NodeFrame) => {
      try {
        for (const frame of membersOf(message)) {
          if (ended) return;
          if (session === undefined) session = this.#hello(call, frame);
          else if (!session.over) this.#frame(session, frame);
        }
      } catch (error) {
        const cause = error instanceof PalyraError ? error : new PalyraError('internal', 'a fault of the daemon');
        if (!(error instanceof PalyraError)) log.error({ err: error }, 'a frame of a node failed');
        if (session === undefined) call.emit('error', statusOf(cause));
        else session.fail(cause);
        end(cause.message);
      }
    });
    const broke = (): void => end(session?.farewell ?? 'the connection broke');
    call.on('error', broke);
    call.on('end', broke);
    call.on('cancelled', broke);
  }

  #hello(call: NodeCall, { hello }: NodeFrame): NodeSession {
    const { clock, dispatch, inventory, sessions, log } = this.#ports;
    const caller = this.#caller(call.getPeer());
    if (hello === null || hello === undefined || !isUlid(hello.session_id)) {
      throw new PalyraError('invalid_argument', 'the first frame of a stream must be a hello');
    }
    const entries = (hello.entries ?? []).map(ledgerEntryOf);
    const row = inventory.opened(caller.deviceId, hello.session_id as SessionId);
    const session = new NodeSession(call, row, { fingerprint: caller.fingerprint, nowMs: clock.monotonic() });
    sessions.add(session);
    session.welcome(inventory.heartbeatMs, dispatch.hello(session, entries));
    log.info({ device_id: caller.deviceId, session_id: row.session_id, address: caller.address }, 'node connected');
    return session;
  }

  #frame(session: NodeSession, frame: NodeFrame): void {
    const { clock, dispatch, inventory } = this.#ports;
    session.lastFrameAtMs = clock.monotonic();
    inventory.seen(session.deviceId);
    if (frame.output) dispatch.output(session, requestIdOf(frame.output.request_id), outputPieceOf(frame.output));
    else if (frame.result) dispatch.result(session, resultOf(frame.result));
    else if (frame.started) {
      const { request_id: id, started_at_unix_ms: startedAtUnixMs } = frame.started;
      dispatch.started(session, requestIdOf(id), startedAtUnixMs);
    } else if (frame.heartbeat) session.heartbeat(clock.now(), inventory.heartbeatMs);
    else if (frame.stdin_ack) {
      const { request_id: id, acked_bytes: bytes, closed } = frame.stdin_ack;
      dispatch.stdinAcknowledged(session, requestIdOf(id), bytes, closed === true);
    } else if (frame.awaiting_local_mediation) {
      dispatch.awaitingLocalMediation(session, requestIdOf(frame.awaiting_local_mediation.request_id));
    } else if (frame.health) inventory.health(session.deviceId, degradedReasonOf(frame.health.degraded_reason));
    else if (frame.capabilities_changed) {
      const offers = offersOf(frame.capabilities_changed.capabilities ?? []);
      this.#background(inventory.offersChanged(session.deviceId, offers));
    } else if (frame.stopping) {
      session.farewell = (frame.stopping.reason ?? '').slice(0, 256) || 'the node stopped';
    }
    // `accepted` and `renewed` say nothing that is not known by other means; frames of a newer node are passed over.
  }

  #bulk(call: ServerDuplexStream<BulkFromNode, BulkFromDaemon>): void {
    const { dispatch, sessions, log } = this.#ports;
    let session: NodeSession | undefined;
    let close: (() => void) | undefined;
    const refuse = (error: unknown): void => {
      call.emit('error', this.#told(error));
    };
    call.sendMetadata(call.metadata.clone());
    call.on('data', (message: BulkFromNode) => {
      try {
        if (session === undefined) {
          const caller = this.#caller(call.getPeer());
          session = sessions.of(caller.deviceId);
          const requestId = requestIdOf(message.request_id);
          close =
            session === undefined
              ? undefined
              : dispatch.bulkOpened(session, requestId, {
                  stdin: (offset, data, end) =>
                    void call.write({ stdin: data, stdin_offset_bytes: offset, stdin_end: end }),
                });
          if (close === undefined) throw new PalyraError('request_not_found', `no open request ${requestId}`);
        } else if (!session.over) this.#bulkFrame(session, message);
      } catch (error) {
        refuse(error);
      }
    });
    call.on('error', (error) => log.debug({ err: error }, 'a bulk stream ended'));
    call.on('end', () => call.end());
    call.on('close', () => close?.());
    call.on('cancelled', () => close?.());
  }

  #bulkFrame(session: NodeSession, { output, stdin_ack: ack }: BulkFromNode): void {
    const { clock, dispatch } = this.#ports;
    session.lastFrameAtMs = clock.monotonic();
    if (output) dispatch.output(session, requestIdOf(output.request_id), outputPieceOf(output));
    if (ack) dispatch.stdinAcknowledged(session, requestIdOf(ack.request_id), ack.acked_bytes, ack.closed === true);
  }

  #background(work: Promise<unknown>): void {
    work.catch((cause: unknown) => this.#ports.log.error({ err: cause }, 'what a node said could not be written'));
  }
}

/** A field that names a device must name the certificate's. */
function sameDevice(claimed: string | undefined, deviceId: DeviceId): void {
  if (claimed === undefined || claimed === '' || claimed === deviceId) return;
  throw new PalyraError('device_mismatch', 'the call names another device than its certificate');
}

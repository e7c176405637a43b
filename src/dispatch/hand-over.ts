import { assignRequest, noteRequestState } from '../store/capability-requests.ts';
import type { Deadlines } from './deadlines.ts';
import type { EndRequests } from './end-requests.ts';
import { CANCELLED_BEFORE_START } from './ending.ts';
import type { LiveRequest } from './live-request.ts';
import type { NodeLink } from './node-link.ts';
import type { OpenRequests } from './open-requests.ts';
import { type DispatcherPorts, inBackground } from './ports.ts';
import { isTerminal } from './states.ts';

/** Gets a request to its node: which session has it is on disk before it leaves. */
export class HandOver {
  readonly #ports: DispatcherPorts;
  readonly #open: OpenRequests;
  readonly #ends: EndRequests;
  readonly #deadlines: Deadlines;

  constructor(ports: DispatcherPorts, open: OpenRequests, ends: EndRequests, deadlines: Deadlines) {
    this.#ports = ports;
    this.#open = open;
    this.#ends = ends;
    this.#deadlines = deadlines;
  }

  /** Sends it if there is a link; without one it waits for the next hello. */
  send(live: LiveRequest): void {
    const link = this.#open.linkOf(live.deviceId);
    if (link === undefined || live.ending || isTerminal(live.state)) return;
    if (live.cancelWish !== undefined) {
      inBackground(this.#ports, this.#ends.bySelf(live, CANCELLED_BEFORE_START));
      return;
    }
    // Accepted for this very session: the row says so already.
    if (live.epoch === link.epoch && live.state === 'dispatched') this.#dispatch(live, link);
    else inBackground(this.#ports, this.#assignAndSend(live, link));
  }

  /** The same run goes on under a new session: only the fence of the row moves. */
  reassign(live: LiveRequest, link: NodeLink): void {
    live.link = link;
    if (live.epoch === link.epoch) return;
    live.epoch = link.epoch;
    live.ledgerId = link.ledgerId;
    const { state, startedAtUnixMs } = live;
    inBackground(
      this.#ports,
      this.#ports.store.write(async (tx) => {
        if (!(await assignRequest(tx, live.requestId, link, this.#ports.clock.now()))) return;
        if (state !== 'dispatched') await noteRequestState(tx, live.requestId, state, startedAtUnixMs);
      }),
    );
  }

  async #assignAndSend(live: LiveRequest, link: NodeLink): Promise<void> {
    const now = this.#ports.clock.now();
    if (!live.move('handed_over', now)) return;
    live.epoch = link.epoch;
    live.ledgerId = link.ledgerId;
    live.dispatchedAtUnixMs ??= now;
    const mine = await this.#ports.store.write((tx) => assignRequest(tx, live.requestId, link, now));
    if (!mine || live.ending) return;
    this.#deadlines.arm(live);
    // The link may have gone while the disk was busy: the next hello finds the request by its ledger.
    if (this.#open.isCurrent(link)) this.#dispatch(live, link);
  }

  #dispatch(live: LiveRequest, link: NodeLink): void {
    live.link = link;
    const { queueExpiresAtUnixMs: end } = live.order;
    const queueLeftMs = end === 0 ? 0 : Math.max(1, end - this.#ports.clock.now());
    link.dispatch({ ...live.order, queueLeftMs, attached: live.attached });
  }
}

import { PalyraError } from '../kernel/errors.ts';
import { findRequest, type RequestEnding } from '../store/capability-requests.ts';
import { endingOf, type OwnEnding, ownEnding, writeEnding } from './ending.ts';
import type { LiveRequest } from './live-request.ts';
import type { OpenRequests } from './open-requests.ts';
import { type DispatcherPorts, inBackground } from './ports.ts';

/** The one way a request ends: its terminal state is on disk before anybody hears of it, and never changes. */
export class EndRequests {
  readonly #ports: DispatcherPorts;
  readonly #open: OpenRequests;

  constructor(ports: DispatcherPorts, open: OpenRequests) {
    this.#ports = ports;
    this.#open = open;
  }

  /** The node answered and all its output is here. The node may forget its copy once ours is on disk. */
  byResult(live: LiveRequest): void {
    const { result, link } = live;
    if (result === undefined || live.ending) return;
    const ending = endingOf(live, result, this.#ports.clock.now());
    const ended = this.#end(live, ending, `device:${live.deviceId}`);
    inBackground(
      this.#ports,
      ended.then(() => link?.acknowledgeResult(live.requestId)),
    );
  }

  /** The daemon decides; a node that still runs it is told to stop. Never rejects: a failed write is retried later. */
  async bySelf(live: LiveRequest, own: OwnEnding): Promise<void> {
    if (live.ending) return;
    live.link?.cancel(live.requestId, own.message);
    const ended = this.#end(live, ownEnding(live, own, this.#ports.clock.now()), 'system:dispatch');
    inBackground(this.#ports, ended);
    await ended.catch(() => undefined);
  }

  async #end(live: LiveRequest, ending: RequestEnding, actor: string): Promise<void> {
    live.ending = true;
    try {
      await this.#ports.store.write(async (tx) => {
        if (!(await writeEnding(tx, live, ending))) return;
        await this.#ports.audit(tx, {
          actor,
          source: 'node',
          action: 'request.ended',
          subject: live.requestId,
          deviceId: live.deviceId,
          outcome: ending.state,
          details: { exit_code: ending.exit_code, error_code: ending.error_code },
        });
      });
    } catch (cause) {
      // Not on disk, so not over: the node keeps its result and sends it again on its next stream.
      live.ending = false;
      live.result = undefined;
      throw cause;
    }
    live.state = ending.state;
    live.stdin.abort(
      new PalyraError('request_already_finished', `request ${live.requestId} has ended: ${ending.state}`),
    );
    const row = live.watchers > 0 ? await findRequest(this.#ports.store.reader, live.requestId) : undefined;
    this.#open.remove(live);
    if (row !== undefined) live.end(row);
  }
}

import type { DeviceId, RequestId } from '../kernel/ids.ts';
import type { LiveRequest } from './live-request.ts';
import type { NodeLink } from './node-link.ts';

/** The open requests and the live links of this daemon, found by id and by device. */
export class OpenRequests {
  readonly #byId = new Map<RequestId, LiveRequest>();
  readonly #byDevice = new Map<DeviceId, Set<LiveRequest>>();
  readonly #links = new Map<DeviceId, NodeLink>();

  get size(): number {
    return this.#byId.size;
  }

  get(requestId: RequestId): LiveRequest | undefined {
    return this.#byId.get(requestId);
  }

  ofDevice(deviceId: DeviceId): readonly LiveRequest[] {
    return [...(this.#byDevice.get(deviceId) ?? [])];
  }

  countOf(deviceId: DeviceId): number {
    return this.#byDevice.get(deviceId)?.size ?? 0;
  }

  add(live: LiveRequest): void {
    this.#byId.set(live.requestId, live);
    const ofDevice = this.#byDevice.get(live.deviceId);
    if (ofDevice === undefined) this.#byDevice.set(live.deviceId, new Set([live]));
    else ofDevice.add(live);
  }

  remove(live: LiveRequest): void {
    live.stopGrace?.();
    live.stopDeadline?.();
    this.#byId.delete(live.requestId);
    const ofDevice = this.#byDevice.get(live.deviceId);
    ofDevice?.delete(live);
    if (ofDevice?.size === 0) this.#byDevice.delete(live.deviceId);
  }

  linkOf(deviceId: DeviceId): NodeLink | undefined {
    return this.#links.get(deviceId);
  }

  isCurrent(link: NodeLink): boolean {
    return this.#links.get(link.deviceId) === link;
  }

  setLink(link: NodeLink): void {
    this.#links.set(link.deviceId, link);
  }

  removeLink(link: NodeLink): void {
    if (this.isCurrent(link)) this.#links.delete(link.deviceId);
    for (const live of this.#byDevice.get(link.deviceId) ?? []) {
      if (live.link === link) live.link = undefined;
    }
  }
}

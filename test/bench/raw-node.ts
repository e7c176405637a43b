// The far side of the yardsticks: grpc-js over the same TLS and the same messages, with nothing of ours behind it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { dialDaemon } from '../../src/rpc/dial.ts';
import { FrameBatcher, membersOf } from '../../src/rpc/frame-batch.ts';
import type { DaemonFrame, NodeFrame } from '../../src/rpc/frames.ts';
import { loadWireSchema } from '../../src/rpc/schema.ts';
import { answerOrders } from './child.ts';
import { type Timing, timed } from './measure.ts';

export interface RawDial {
  readonly address: string;
  readonly ca: string;
  readonly chain: string;
  readonly key: string;
}

const { node } = loadWireSchema();
const PAYLOAD = Buffer.alloc(150, 7);

const dial = ({ address, ca, chain, key }: RawDial) => dialDaemon({ address, ca, identity: { chain, key } });

const orders = {
  /** Sends back what comes: frame by frame, or the frames of a turn together. */
  echo({ batched, ...to }: RawDial & { batched: boolean }): void {
    const { path, requestSerialize, responseDeserialize } = node.StreamNodeEvents;
    const call = dial(to).makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    const batcher = new FrameBatcher<NodeFrame>((frame) => void call.write(frame));
    const reply = (id: string): void => {
      const frame: NodeFrame = { output: { request_id: id, channel: 1, offset: 0, data: PAYLOAD } };
      if (batched) batcher.add(frame);
      else call.write(frame);
    };
    call.on('error', () => undefined);
    call.on('data', (message: DaemonFrame) => {
      for (const { dispatch } of membersOf(message)) reply(dispatch?.request_id ?? '');
    });
    reply('');
  },
  /** Sends that many chunks, one after the other, each when the transport took the one before. */
  async stream({ bytes, chunkBytes, ...to }: RawDial & { bytes: number; chunkBytes: number }): Promise<void> {
    const { path, requestSerialize, responseDeserialize } = node.ExecuteCapability;
    const client = dial(to);
    const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    call.on('error', () => undefined);
    call.on('data', () => undefined);
    const data = Buffer.alloc(chunkBytes, 7);
    for (let offset = 0; offset < bytes; offset += chunkBytes) {
      await new Promise((resolve) => call.write({ output: { request_id: 'r', channel: 1, offset, data } }, resolve));
    }
    call.end();
    await once(call, 'end');
    client.close();
  },
  /** An HTTP server that does nothing, on a socket. */
  async http({ socket }: { socket: string }): Promise<void> {
    rmSync(socket, { force: true });
    const server = createServer((_, answer) => answer.end('{}')).listen(socket);
    await once(server, 'listening');
  },
  /** A program that does nothing, with pipes. */
  spawn: ({ ms }: { ms: number }): Promise<Timing> => timed(1, ms, () => once(spawn('true'), 'close')),
};
export type RawOrders = typeof orders;
answerOrders(orders);

import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import protobuf from 'protobufjs';
import { assetText } from '../kernel/assets.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { BulkFromDaemon, BulkFromNode, DaemonFrame, NodeFrame } from './frames.ts';
import type { DeviceHello } from './generated/palyra/node/v1/DeviceHello.ts';
import { PROTO_OPTIONS } from './proto-options.ts';

/** The two services of the node port, ready for grpc-js on either side. */
export interface WireSchema {
  readonly pairing: ServiceDefinition;
  /** Travels as bytes inside another message, so that its hash is that of what was sent. */
  readonly deviceHello: Codec<DeviceHello>;
  readonly node: ServiceDefinition & {
    readonly StreamNodeEvents: MethodDefinition<NodeFrame, DaemonFrame>;
    readonly ExecuteCapability: MethodDefinition<BulkFromNode, BulkFromDaemon>;
  };
}

interface Codec<T> {
  readonly serialize: (message: T) => Buffer;
  readonly deserialize: (bytes: Buffer) => T;
}

const PACKAGE = 'palyra.node.v1';
const NO_BYTES = Buffer.alloc(0);

/** Messages of the hot streams as protobufjs makes them: no conversion between two forms of an object. */
function directCodec<T>(root: protobuf.Root, name: string): Codec<T> {
  const type = root.lookupType(`${PACKAGE}.${name}`);
  return {
    serialize: (message) => type.encode(message as Record<string, unknown>).finish() as Buffer,
    deserialize: (bytes) => type.decode(bytes) as unknown as T,
  };
}

/** Absent bytes read as an empty buffer; protobufjs alone would give an array. */
function emptyBytes(namespace: protobuf.NamespaceBase): void {
  for (const nested of namespace.nestedArray) {
    if (nested instanceof protobuf.Type) {
      const prototype = nested.ctor.prototype as unknown as Record<string, unknown>;
      for (const field of nested.fieldsArray) {
        if (field.type === 'bytes' && !field.repeated) prototype[field.name] = NO_BYTES;
      }
    }
    if (nested instanceof protobuf.Namespace) emptyBytes(nested);
  }
}

function bidi<In, Out>(definition: unknown, request: Codec<In>, response: Codec<Out>): MethodDefinition<In, Out> {
  return {
    ...(definition as MethodDefinition<In, Out>),
    requestSerialize: request.serialize,
    requestDeserialize: request.deserialize,
    responseSerialize: response.serialize,
    responseDeserialize: response.deserialize,
  };
}

/** Callers of pairing are unknown: what is too large is refused before it is decoded. */
function smallRequests(service: ServiceDefinition): ServiceDefinition {
  const limited = Object.entries(service).map(([name, method]) => {
    const requestDeserialize = (bytes: Buffer): unknown => {
      if (bytes.length > LIMITS.pairingMessageBytes) throw new Error(`${bytes.length} bytes are too many`);
      return method.requestDeserialize(bytes);
    };
    return [name, { ...method, requestDeserialize }];
  });
  return Object.fromEntries(limited) as ServiceDefinition;
}

/** Reads the wire contract from the assets. 64-bit numbers are plain numbers, exact to 2^53. */
export function loadWireSchema(): WireSchema {
  const json = JSON.parse(assetText('node.proto.json')) as protobuf.INamespace;
  // With Long absent protobufjs reads numbers; both codecs share this setting.
  Object.assign(protobuf.util, { Long: undefined });
  protobuf.configure();
  const services = fromJSON(json, PROTO_OPTIONS) as unknown as Record<string, ServiceDefinition>;
  const root = protobuf.Root.fromJSON(json);
  root.resolveAll();
  emptyBytes(root);
  const { [`${PACKAGE}.PairingService`]: pairing, [`${PACKAGE}.NodeService`]: node } = services;
  if (pairing === undefined || node === undefined) throw new Error('the wire contract has lost its services');
  return {
    pairing: smallRequests(pairing),
    deviceHello: directCodec<DeviceHello>(root, 'DeviceHello'),
    node: {
      ...node,
      StreamNodeEvents: bidi(
        node['StreamNodeEvents'],
        directCodec<NodeFrame>(root, 'NodeFrame'),
        directCodec<DaemonFrame>(root, 'DaemonFrame'),
      ),
      ExecuteCapability: bidi(
        node['ExecuteCapability'],
        directCodec<BulkFromNode>(root, 'BulkFromNode'),
        directCodec<BulkFromDaemon>(root, 'BulkFromDaemon'),
      ),
    },
  };
}

// Every bound of the program stands here beside its reason.

const KIB = 1024;
const MIB = 1024 * KIB;
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const LIMITS = {
  /** One gRPC message on the node port. Chunks are 64 KiB; batches stop at 64 KiB of payload plus one chunk. */
  grpcMessageBytes: 1 * MIB,
  /** One message of PairingService, from callers we know nothing of (security.md 2.1). */
  pairingMessageBytes: 16 * KIB,
  csrBytes: 2 * KIB,
  certificateBytes: 8 * KIB,
  deviceHelloBytes: 4 * KIB,

  /** Output and file chunks: the sweet spot of CPU, memory and cancel latency (performance.md 8). */
  chunkBytes: 64 * KIB,
  /** What one request may have unacknowledged between node and watcher. */
  requestCreditBytes: 1 * MIB,
  /** Output of a request that travels on the control stream before a bulk stream is opened for it. */
  inlineOutputBytes: 64 * KIB,
  /** Kept of each stream of a request when it is larger than head + tail. */
  outputHeadBytes: 64 * KIB,
  outputTailBytes: 64 * KIB,
  /** Standard input in flight to a node per request. */
  stdinCreditBytes: 256 * KIB,
  /** Frames of one turn in one message (performance.md 5). */
  batchFrames: 256,
  batchBytes: 64 * KIB,

  /** HTTP/2 receive windows: with the defaults a 40 ms link carries 0.9 MiB/s, with these 24 (performance.md 8). */
  streamWindowBytes: 4 * MIB,
  connectionWindowBytes: 16 * MIB,

  /** A capability's input as JSON. A huge argv is refused here, before the kernel refuses it. */
  inputBytes: 512 * KIB,
  /** Structured (non-stream) output of a capability. */
  outputJsonBytes: 256 * KIB,
  httpBodyBytes: 1 * MIB,
  nameLength: 64,
  pathLength: 4096,
  capabilityNameLength: 64,
  capabilitiesPerNode: 256,
  labelsPerNode: 64,

  /** Requests a node runs at the same time; the rest waits on the node within its own queue. */
  nodeConcurrency: 64,
  /** Requests the daemon holds for one device, queued and running. */
  openRequestsPerDevice: 10_000,
  watchersPerRequest: 32,

  pairingCodeMs: 10 * MINUTE,
  pairingCodeLongestMs: 24 * HOUR,
  pairingCodeTries: 5,
  livePins: 50,
  pairingRequestMs: 60 * MINUTE,
  pairingRequestLongestMs: 7 * DAY,
  pairingApprovedMs: 24 * HOUR,
  pairingSessionMs: 2 * MINUTE,
  challengeMs: MINUTE,

  caLifetimeMs: 3650 * DAY,
  daemonLeafMs: 90 * DAY,
  deviceLeafMs: 30 * DAY,
  /** Certificates start in the past: clocks that are 15 minutes slow still work (teleport #68051). */
  backdateMs: 15 * MINUTE,

  /** Heartbeats: `max(heartbeatMs, nodes / heartbeatsPerSecond)`; silence of `silenceMs` ends a stream. */
  heartbeatMs: 15 * SECOND,
  heartbeatsPerSecond: 500,
  silenceMs: 45 * SECOND,
  /** After its stream broke a node is `stale` for this long, then `offline`. */
  staleMs: 30 * SECOND,
  reconnectFirstMs: 250,
  reconnectLongestMs: 30 * SECOND,

  runTimeoutMs: HOUR,
  runTimeoutLongestMs: 7 * DAY,
  queueTtlLongestMs: 30 * DAY,
  /** An attached request without a watcher goes on as detached after this. */
  watcherGraceMs: 30 * SECOND,
  killGraceMs: 5 * SECOND,
  drainMs: 30 * SECOND,
  /** The daemon gives a node this long beyond the run time to report before it closes the request itself. */
  deadlineSlackMs: 15 * SECOND,

  pageRows: 50,
  pageRowsLargest: 500,
} as const;

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
  /** A single call on the node port, and the wait of a WatchPairingRequest before it is opened anew. */
  unaryCallMs: 15 * SECOND,
  watchCallMs: 10 * MINUTE,
  /** Headers of one gRPC call; ours have a few hundred bytes. */
  grpcHeaderBytes: 8 * KIB,
  grpcHeaderFields: 48,
  /** One stream for the session and one for each request with bulk data. */
  streamsPerConnection: 128,
  /** Frames that wait for a node that does not read, of all its requests. */
  nodeBacklogBytes: 64 * MIB,

  /** The node port before TLS (security.md 2.5, DESIGN 16.20). */
  handshakeMs: 30 * SECOND,
  handshakesPerSecond: 300,
  connectionsWaiting: 20_000,
  /** Connections that showed no device certificate: free for the grace, then few, and never for long. */
  anonymousGraceMs: 15 * SECOND,
  anonymousConnectionMs: 60 * SECOND,
  anonymousPerSource: 64,
  anonymousConnections: 512,
  anonymousCallsOpen: 4,
  anonymousCalls: 60,
  /** How often open streams are checked against certificates and trust. */
  recheckMs: 30 * SECOND,
  /** A device that lost its trust hears why before its connection is cut. */
  farewellMs: 250,

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
  /** A browser's cookies and a bearer token fit many times. */
  httpHeaderBytes: 16 * KIB,
  httpHeaderFields: 100,
  /** A caller that sends its head or body more slowly holds a connection for nothing. */
  httpHeaderMs: 30 * SECOND,
  httpBodyMs: 30 * SECOND,
  httpConnections: 1024,
  /** Open watch streams of one operator. */
  streamsPerOperator: 512,
  /** Failed credentials before further failing ones are told to wait; a right one is never refused. */
  failedCredentialsPerSource: 10,
  failedCredentials: 200,
  failedCredentialsMs: 5 * MINUTE,
  /** A revoked token works no longer than this on another daemon of the fleet. */
  operatorCacheMs: SECOND,
  /** The operator client acknowledges output in steps of this, and when the stream rests. */
  watchAckBytes: 256 * KIB,
  watchIdleAckMs: 50,
  /** How long the operator client looks for its daemon again after it lost it in the middle of a request. */
  reattachMs: 2 * MINUTE,
  /** Output gathered per stream for a JSON document; more is cut and said to be. */
  jsonOutputBytes: 16 * MIB,
  /** One filesystem.read, where the owner sets no other: whoever wants more asks for ranges. */
  fileReadBytes: 16 * 1024 * MIB,
  /** One filesystem.write, and all of a day, where the owner sets no other. */
  fileWriteBytes: 1024 * MIB,
  fileWriteDayBytes: 16 * 1024 * MIB,
  /** Left free on a disk that is written to: a full one stops more than us. */
  fileWriteFreeBytes: 256 * MIB,
  fileNameBytes: 255,
  /** Entries of one answer of filesystem.list, and what is asked for by default. */
  listEntriesLargest: 1000,
  listEntries: 500,
  /** JSON of one such answer; stays below outputJsonBytes with what stands around it. */
  listBytes: 192 * KIB,
  /** One argument, or a script line: the kernel takes 128 KiB with the NUL at its end. */
  argumentBytes: 128 * KIB - 1,
  /** A pipe that another process holds open is let go when it was quiet for this long after the program's end … */
  pipeQuietMs: 250,
  /** … or gave this much: more than a pipe can hold, so nothing of the program itself is lost. */
  pipeAfterExitBytes: 4 * MIB,
  /** What is still in the pipes of a killed program has this long to reach a reader that may be gone. */
  killedOutputMs: 1 * SECOND,
  policyFileBytes: 1 * MIB,
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

  /** Authorities of one daemon that hold at the same time. */
  caBundleSize: 8,
  caLifetimeMs: 3650 * DAY,
  daemonLeafMs: 90 * DAY,
  deviceLeafMs: 30 * DAY,
  /** Certificates start in the past: clocks that are 15 minutes slow still work (teleport #68051). */
  backdateMs: 15 * MINUTE,
  /** An older certificate works on for this long after a newer one was used: calls under way end well. */
  supersededMs: 5 * MINUTE,
  /** A clock that went back further than this must be looked at before anything is signed by it. */
  clockBackMs: 5 * MINUTE,
  /** Ended certificates are kept for this long: an expired device can still prove its key. */
  recoveryGraceMs: 90 * DAY,
  /** Certificates of a device that wait for their first use. */
  unusedCertificates: 4,

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

  /** PostgreSQL: a connection, one statement, and the wait for the server's word on a commit whose answer was lost. */
  storeConnectMs: 5 * SECOND,
  storeStatementMs: 15 * SECOND,
  storeOutcomeMs: 10 * SECOND,
  /** Another daemon that brings the tables up to date is waited for this long. */
  storeMigrationMs: 10 * MINUTE,
  /** Connections for reads, beside the one that writes; a fleet of daemons shares the hundred of a server. */
  storeReaders: 6,

  /** node-runtime.v1.json: written after this, and a second more per MiB, up to the longest. */
  runtimeFileMs: SECOND,
  runtimeFileLongestMs: 30 * SECOND,
  /** A fleet of 100,000; also keeps the file readable as one string. */
  runtimeFileBytes: 256 * MIB,

  pageRows: 50,
  pageRowsLargest: 500,
} as const;

// What a node can do for the daemon, and what each such operation is given and gives back.
import type * as z from 'zod';
import type { Clock } from '../kernel/clock.ts';
import type { ErrorCode } from '../kernel/errors.ts';
import type { RequestCgroups } from './processes/request-cgroups.ts';

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue | undefined };

/** Where the bytes of a stream go. */
export interface OutputSink {
  /**
   * Resolves when there is room for the next chunk; rejects when the request has ended.
   * The sink may keep the chunk: whoever writes never touches it again. At most LIMITS.chunkBytes a call.
   */
  write(chunk: Buffer): Promise<void>;
}

/** What the node knows of itself; fixed while it runs. */
export interface NodeFacts {
  readonly deviceId: string;
  readonly nodeName: string;
  /** SHA-256 of the device's certificate, as the inventory shows it. */
  readonly identityFingerprint: string;
  /** Where the daemon is: shown as `grpc_url`. */
  readonly daemonAddress: string;
  readonly pairedAtUnixMs: number;
  readonly startedAtUnixMs: number;
  readonly palyraVersion: string;
  /** Folder whose disk `system.health` reports. */
  readonly homePath: string;
  /** The folders in which `shell.execute` looks for programs. */
  readonly shellPath: readonly string[];
}

export interface CapabilityContext {
  readonly requestId: string;
  /** Aborted when the request ends early; its reason is a PalyraError (`cancelled`, `timed_out`, …). */
  readonly signal: AbortSignal;
  readonly stdout: OutputSink;
  readonly stderr: OutputSink;
  /** Absent: the program reads from /dev/null. */
  readonly stdin: AsyncIterable<Buffer> | undefined;
  readonly clock: Clock;
  readonly facts: NodeFacts;
  /** The delegated part of the cgroup tree, where there is one. */
  readonly cgroups: RequestCgroups | undefined;
  /**
   * A process runs. `startTime` is its start as the operating system counts it: with the pid it names the process
   * for good, and `sweepLeftovers` wants both back.
   */
  started(pid: number, startTime: string): void;
}

/** How the processes of a request were ended; absent where none had to be. */
export type TreeKill = 'cgroup' | 'process_group' | 'best_effort';

export interface CapabilityOutcome {
  readonly output?: JsonValue;
  readonly exitCode?: number;
  readonly signal?: string;
  readonly treeKill?: TreeKill;
}

/** What the owner's policy says to a call, and which of its lines says so. */
export type Decision =
  | { readonly allowed: true; readonly rule: string }
  | {
      readonly allowed: false;
      /** Absent when nothing in the policy speaks about it. */
      readonly rule: string | undefined;
      readonly code: ErrorCode;
      readonly reason: string;
      readonly hint?: string | undefined;
    };

interface CapabilityLimits {
  /** Requests of this capability that run at the same time, where the policy says nothing else. */
  readonly concurrency: number;
}

/** How much trust a capability needs: shown where somebody grants it. */
type Risk = 'harmless' | 'reads' | 'writes' | 'executes';

export interface Capability<Input = unknown, Rules = unknown> {
  readonly name: string;
  readonly summary: string;
  readonly risk: Risk;
  readonly input: z.ZodType<Input>;
  /** Shape of `CapabilityOutcome.output`. */
  readonly output: z.ZodType;
  readonly limits: CapabilityLimits;
  /** What the owner may say about it, beside what holds for every capability. */
  readonly policySchema: z.ZodObject;
  /** Turns the parsed part of the policy into what `decide` and `execute` work with. Once per policy load. */
  prepare(policy: unknown): Rules;
  /** Why this machine cannot do it; undefined when it can. */
  unavailable(): string | undefined;
  /** What would happen to the call; looks at the machine, changes and runs nothing. */
  decide(input: Input, rules: Rules): Promise<Decision>;
  /**
   * Decides and does it, on what it decided about. Throws PalyraError where it could not be done. After an abort a
   * capability that had started processes resolves when they are gone, with how they ended; others reject with the
   * signal's reason.
   */
  execute(input: Input, rules: Rules, context: CapabilityContext): Promise<CapabilityOutcome>;
}

interface Definition<Input, Policy extends z.ZodObject, Rules> {
  readonly name: string;
  readonly summary: string;
  readonly risk: Risk;
  readonly input: z.ZodType<Input>;
  readonly output: z.ZodType;
  readonly limits: CapabilityLimits;
  readonly policySchema: Policy;
  prepare(policy: z.output<Policy>): Rules;
  unavailable?(): string | undefined;
  decide(input: Input, rules: Rules): Promise<Decision>;
  execute(input: Input, rules: Rules, context: CapabilityContext): Promise<CapabilityOutcome>;
}

/** Makes a capability of its parts; the types of input and policy follow from the schemas. */
export function defineCapability<Input, Policy extends z.ZodObject, Rules>(
  definition: Definition<Input, Policy, Rules>,
): Capability<Input, Rules> {
  return {
    ...definition,
    prepare: (policy) => definition.prepare(definition.policySchema.parse(policy)),
    unavailable: () => definition.unavailable?.(),
  };
}

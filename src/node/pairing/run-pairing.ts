import { builtinCapabilities } from '../../capabilities/builtin.ts';
import { type Clock, systemClock } from '../../kernel/clock.ts';
import { PalyraError } from '../../kernel/errors.ts';
import { type HomeLock, lockHome } from '../../kernel/home-lock.ts';
import { roleHome } from '../../kernel/paths.ts';
import { parseCode } from '../../pake/code.ts';
import { showShortString } from '../../pake/short-string.ts';
import { loadWireSchema } from '../../rpc/schema.ts';
import type { PolicyFlags } from '../policy/policy-from-flags.ts';
import { daemonAddress, NODE_PORT } from './daemon-address.ts';
import { firstStream } from './first-stream.ts';
import { machineFacts } from './machine-facts.ts';
import {
  assertNotPaired,
  type PairedNode,
  type PairingProgress,
  type PairingSetup,
  pairNode,
  resumePairing,
} from './pair-node.ts';
import { readPairingFile } from './pairing-file.ts';
import { pairingPolicy } from './pairing-policy.ts';

export interface PairingRun {
  /** `<home>`. */
  readonly home: string;
  /** PIN or token; undefined: go on with what broke off. */
  readonly code: string | undefined;
  /** `HOST[:PORT]`; this machine when absent. */
  readonly daemon: string | undefined;
  /** The host name when absent. */
  readonly name: string | undefined;
  readonly policy: PolicyFlags;
  /** How long it may take, the approver's time included, ms; as long as the request lives when absent. */
  readonly timeoutMs: number | undefined;
  /** Aborted when its user stops it. */
  readonly interrupted: AbortSignal;
  /** A line for its user. */
  readonly tell: (line: string) => void;
}

/**
 * Pairs this machine, or goes on pairing it, with everything of this program in place. Resolves after the first stream
 * under its own certificate. Errors: as `pairNode`, pin_malformed, usage, capability_unknown, policy_invalid,
 * timed_out, cancelled.
 */
export async function runPairing(run: PairingRun, clock: Clock = systemClock): Promise<PairedNode> {
  const { home, code, tell } = run;
  const nodeHome = roleHome(home, 'node');
  // What is wrong with the words is told before anything is made or sent.
  const parsed = code === undefined ? undefined : parseCode(code);
  const address = daemonAddress(run.daemon ?? `127.0.0.1:${NODE_PORT}`);
  const facts = machineFacts(run.name);
  const policy = await pairingPolicy(nodeHome, run.policy, builtinCapabilities({ protectedPaths: [home] }));
  if (parsed !== undefined) assertNotPaired(nodeHome);
  const lock = lockForPairing(nodeHome);
  for (const warning of policy.warnings) tell(`WARNING: ${warning}`);

  const stop = new AbortController();
  const goOnLater = (): string | undefined =>
    readPairingFile(nodeHome) === undefined ? undefined : 'it goes on with: palyra node pair --resume';
  const stopTimer =
    run.timeoutMs === undefined
      ? undefined
      : clock.after(run.timeoutMs, () =>
          stop.abort(new PalyraError('timed_out', 'the pairing took longer than it may', { hint: goOnLater() })),
        );
  const interrupt = (): void => stop.abort(new PalyraError('cancelled', 'stopped', { hint: goOnLater() }));
  run.interrupted.addEventListener('abort', interrupt, { once: true });
  const { signal } = stop;
  const schema = loadWireSchema();
  const setup: PairingSetup = {
    nodeHome,
    schema,
    clock,
    signal,
    progress: progressTo(tell),
    firstStream: (first) => firstStream({ ...first, schema, facts, offers: policy.offers, clock, signal }),
  };
  try {
    if (parsed === undefined) {
      if (readPairingFile(nodeHome) !== undefined) await policy.write();
      return await resumePairing(setup);
    }
    return await pairNode(setup, {
      code: parsed,
      address,
      facts,
      capabilities: policy.offers.filter(({ available }) => available).map(({ name }) => name),
      proven: () => policy.write(),
    });
  } finally {
    lock.release();
    stopTimer?.();
    run.interrupted.removeEventListener('abort', interrupt);
  }
}

/** Two that pair the same machine would each overwrite what the other agreed on. */
function lockForPairing(nodeHome: string): HomeLock {
  const lock = lockHome(nodeHome);
  if (lock !== undefined) return lock;
  throw new PalyraError('node_already_running', `another palyra node pair or node run works on ${nodeHome}`, {
    hint: 'wait for its end, or stop it; `palyra node status` says more',
  });
}

function progressTo(tell: (line: string) => void): PairingProgress {
  let waits = false;
  let connected = true;
  return {
    connecting: (address) => tell(`pairing with the daemon at ${address}`),
    proven: (digits) => tell(`short string ${showShortString(digits)}: whoever approves must see the same`),
    waiting: (requestId) => {
      if (!waits) tell(`waiting for approval: palyra pairing approve ${requestId}`);
      else if (!connected) tell('connected again, still waiting');
      waits = true;
      connected = true;
    },
    disconnected: (cause) => {
      if (connected) tell(`lost the daemon (${cause.message}); trying again`);
      connected = false;
    },
    approved: () => tell('approved'),
  };
}

import type { Clock } from '../../kernel/clock.ts';
import { LIMITS } from '../../kernel/limits.ts';
import { procMissing } from '../files/descriptor-walk.ts';
import { forbidCoreDumps } from './core-dumps.ts';
import { endProcesses } from './end-processes.ts';
import { linuxAccount } from './linux-account.ts';
import { openLinuxFolder } from './linux-folder.ts';
import { type Launch, linuxLaunch } from './linux-launch.ts';
import { findLinuxProgram, type NativeTest, nativeTest, openLinuxProgram } from './linux-program.ts';
import { LinuxTree } from './linux-tree.ts';
import { PipePool } from './pipe-pool.ts';
import { posixEnvironment } from './posix-environment.ts';
import {
  DEVICE_MARK,
  type ProcessHost,
  REQUEST_MARK,
  type RunningProgram,
  type StartOrder,
  type TreeEnd,
} from './process-host.ts';
import { type ProcessEntry, processEntry } from './process-table.ts';
import type { RequestCgroup } from './request-cgroups.ts';
import { exitOf, ownStreams, type Spawned, spawnFailure, spawnProgram } from './spawned.ts';
import { openStreams, type StandardStreams } from './standard-streams.ts';

type Pipes = Pick<PipePool, 'take' | 'warm'>;
type Leader = Pick<RunningProgram, 'pid' | 'startTime'>;

/** Programs on Linux: the checked file runs, in the checked folder, in a group that can be ended as a whole. */
export function linuxProcesses(pool: Pipes = new PipePool()): ProcessHost {
  let native: NativeTest | undefined;
  const isNative: NativeTest = (header) => {
    native ??= nativeTest();
    return native(header);
  };
  return {
    unavailable: procMissing,
    defaultPath: ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'],
    defaultShells: ['/bin/sh', '/bin/bash', '/bin/zsh'],
    topFolders: ['/'],
    environment: posixEnvironment,
    scriptArguments: (_shell, line) => ['-c', line],
    openProgram: (path) => openLinuxProgram(path, isNative),
    findProgram: (name, folders) => findLinuxProgram(name, folders, isNative),
    openFolder: openLinuxFolder,
    account: linuxAccount,
    start: (order) => start(order, pool),
    async ready() {
      await Promise.all([forbidCoreDumps(), pool.warm()]);
    },
    async sweep(deviceId, recorded, clock) {
      const tree = new LinuxTree({ leaders: recorded, mark: `${DEVICE_MARK}=${deviceId}` });
      const found = (await tree.members()).map(({ pid }) => pid);
      const survivors = await endProcesses({ members: () => tree.members(), graceMs: LIMITS.killGraceMs, clock });
      return { treeKill: 'best_effort', survivors, ended: found.filter((pid) => !survivors.includes(pid)) };
    },
  };
}

async function start(order: StartOrder, pool: Pipes): Promise<RunningProgram> {
  const launch = linuxLaunch(order);
  const streams = await openStreams(pool, order.stdin, order.account);
  let child: Spawned;
  try {
    child = spawn(order, launch, streams);
  } catch (error) {
    streams?.destroy();
    throw error;
  } finally {
    streams?.handedOver();
  }
  const { pid } = child;
  if (pid === undefined) {
    streams?.destroy();
    throw spawnFailure(await child, order.program.path);
  }
  const startTime = processEntry(pid)?.startTime ?? '';
  const io = streams ?? ownStreams(child);
  return {
    pid,
    startTime,
    stdin: io.stdin,
    stdout: io.stdout,
    stderr: io.stderr,
    exited: exitOf(child),
    endTree: (graceMs, clock) => endTree(order, { pid, startTime }, graceMs, clock),
  };
}

function spawn(order: StartOrder, launch: Launch, streams: StandardStreams | undefined): Spawned {
  const standard = streams?.childFds ?? ([order.stdin ? 'pipe' : 'ignore', 'pipe', 'pipe'] as const);
  const { fd } = order.program;
  // The mask is the whole process's, for the length of this call; a file another thread makes meanwhile only gets
  // fewer rights.
  const before = process.umask(0o077);
  try {
    return spawnProgram(launch.file, launch.args, {
      stdio: launch.passProgram && fd !== undefined ? [...standard, fd] : [...standard],
      cwd: order.folder.spawnPath,
      env: order.env,
      argv0: launch.argv0,
    });
  } finally {
    process.umask(before);
  }
}

async function endTree(order: StartOrder, leader: Leader, graceMs: number, clock: Clock): Promise<TreeEnd> {
  const { cgroup, requestId } = order;
  const tree = new LinuxTree({ leaders: [leader], mark: `${REQUEST_MARK}=${requestId}` });
  if (cgroup === undefined) {
    const survivors = await endProcesses({ members: () => tree.members(), graceMs, clock });
    return { treeKill: 'best_effort', survivors };
  }
  await endProcesses({ members: () => groupMembers(cgroup, leader), killAll: () => cgroup.kill(), graceMs, clock });
  // A program of the same user can write itself into another group: then the marks are what is left.
  const fled = await tree.members();
  if (fled.length === 0) return { treeKill: 'cgroup', survivors: [] };
  const survivors = await endProcesses({ members: () => tree.members(), graceMs: 0, clock });
  return { treeKill: 'best_effort', survivors };
}

/** The group, and the program itself: it may not have entered yet. */
function groupMembers(cgroup: RequestCgroup, leader: Leader): ProcessEntry[] {
  const entries = new Set([leader.pid, ...cgroup.members()]).values().map(processEntry);
  return entries
    .filter((entry) => entry !== undefined)
    .filter(({ pid, startTime, zombie }) => !zombie && (pid !== leader.pid || startTime === leader.startTime))
    .toArray();
}

// Linux: one cgroup v2 per request, so that nothing a request starts can be lost sight of (security.md 7.3).
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { systemCode } from '../../kernel/errors.ts';

export interface RequestCgroup {
  readonly path: string;
  /** Pids in it and below it. */
  members(): number[];
  /** SIGKILL to all of them, at once where the kernel can. */
  kill(): void;
  /** Removes it; false while something lives in it. */
  remove(): boolean;
}

/** The part of the cgroup tree that requests of one device run in. */
export interface RequestCgroups {
  readonly path: string;
  /** A group for a request; undefined when it cannot be made any more. */
  create(requestId: string): RequestCgroup | undefined;
  /** Groups that are there: of requests that run, or of an earlier process of this device. */
  existing(): RequestCgroup[];
  /** Removes what is empty. For the end of the process. */
  close(): void;
}

/**
 * The delegated subtree of this process, if it may make groups there: under systemd with `Delegate=yes`, or as root.
 * Undefined elsewhere. Groups lie in a folder of the device, so that two nodes of one machine never meet.
 * @param mount where cgroup file systems are mounted.
 */
export function openRequestCgroups(
  deviceId: string,
  ownGroups = '/proc/self/cgroup',
  mount = '/sys/fs/cgroup',
): RequestCgroups | undefined {
  const own = unifiedGroup(ownGroups);
  if (own === undefined) return undefined;
  // On a hybrid machine the version 2 tree is mounted beside the version 1 controllers.
  const tree = existsSync(join(mount, 'cgroup.controllers')) ? mount : join(mount, 'unified');
  const path = join(tree, own, `palyra-${deviceId}`);
  try {
    mkdirSync(path, { recursive: true });
    // Moving a process needs the right to write here, in the common parent of both groups.
    accessSync(join(tree, own, 'cgroup.procs'), constants.W_OK);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    removeGroup(path);
    return undefined;
  }
  return requestCgroups(path);
}

/** PATH of the line `0::PATH`. */
function unifiedGroup(ownGroups: string): string | undefined {
  try {
    return /^0::(\/.*)$/m.exec(readFileSync(ownGroups, 'utf8'))?.[1];
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function requestCgroups(path: string): RequestCgroups {
  // Groups in which background processes outlive their request; looked at again with each new one.
  const lingering = new Set<string>();
  return {
    path,
    create(requestId) {
      for (const old of lingering) if (removeGroup(old)) lingering.delete(old);
      const group = join(path, `req-${requestId}`);
      try {
        mkdirSync(group, { recursive: true });
      } catch (error) {
        // systemd may have taken back what it did not delegate.
        if (systemCode(error) === undefined) throw error;
        return undefined;
      }
      return { ...requestCgroup(group), remove: () => removeGroup(group) || (lingering.add(group), false) };
    },
    existing: () => subgroups(path).map(requestCgroup),
    close() {
      for (const group of subgroups(path)) removeGroup(group);
      removeGroup(path);
    },
  };
}

const requestCgroup = (path: string): RequestCgroup => ({
  path,
  members: () => members(path),
  kill() {
    try {
      writeFileSync(join(path, 'cgroup.kill'), '1');
    } catch (error) {
      // Kernels before 5.14 have no such file; a group that is gone has nobody in it.
      if (!GONE.has(systemCode(error) ?? '') && systemCode(error) !== 'EACCES') throw error;
      for (const pid of members(path)) killQuietly(pid);
    }
  },
  remove: () => removeGroup(path),
});

const GONE = new Set(['ENOENT', 'ENODEV']);

function members(path: string): number[] {
  try {
    const own = readFileSync(join(path, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
    return [...own, ...subgroups(path).flatMap(members)];
  } catch (error) {
    if (GONE.has(systemCode(error) ?? '')) return [];
    throw error;
  }
}

function subgroups(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => join(path, name));
  } catch (error) {
    if (GONE.has(systemCode(error) ?? '')) return [];
    throw error;
  }
}

/** Removes a group and the groups that a program made in it; false while a process is in one of them. */
function removeGroup(path: string): boolean {
  for (const group of subgroups(path)) removeGroup(group);
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    if (GONE.has(systemCode(error) ?? '')) return true;
    if (['EBUSY', 'ENOTEMPTY', 'EACCES', 'EPERM', 'EROFS', 'ENOTDIR'].includes(systemCode(error) ?? '')) return false;
    throw error;
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (systemCode(error) !== 'ESRCH' && systemCode(error) !== 'EPERM') throw error;
  }
}

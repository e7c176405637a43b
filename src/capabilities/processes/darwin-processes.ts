import { join } from 'node:path';
import { execa } from 'execa';
import type { Clock } from '../../kernel/clock.ts';
import { PalyraError, systemCode } from '../../kernel/errors.ts';
import { ownAccount } from './own-account.ts';
import { chainFault } from './path-chain.ts';
import { firstProgram, pathFolder, pathProgram } from './path-programs.ts';
import { startByPath } from './path-start.ts';
import { posixEnvironment } from './posix-environment.ts';
import type { ProcessHost, TreeEnd } from './process-host.ts';

const LOOK_MS = 50;
const AFTER_KILL_MS = 5000;

/**
 * Programs on macOS. They run by path, so rules only admit what nobody else can replace. A tree is ended by its
 * process group and by who its children are: a program that leaves both is not found, and the result says so.
 */
export function darwinProcesses(): ProcessHost {
  const open = (path: string) => pathProgram(path, () => chainFault(path, [0, process.geteuid?.() ?? 0]));
  return {
    unavailable: () => undefined,
    defaultPath: ['/usr/local/bin', '/opt/homebrew/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin'],
    defaultShells: ['/bin/sh', '/bin/bash', '/bin/zsh'],
    topFolders: ['/'],
    environment: posixEnvironment,
    scriptArguments: (_shell, line) => ['-c', line],
    openProgram: open,
    findProgram: (name, folders) =>
      firstProgram(
        name,
        folders.map((folder) => join(folder, name)),
        open,
      ),
    openFolder: (path, roots) =>
      pathFolder(path, roots, (real, root) => root === '/' || real === root || real.startsWith(`${root}/`)),
    async account(name) {
      const own = ownAccount();
      if (name === own.name) return own;
      throw new PalyraError('policy_denied', `programs cannot run as ${name} on macOS, only as ${own.name}`);
    },
    start: (order) => startByPath(order, endTree),
    ready: async () => undefined,
    // Its marks can be read with ps only while they are ours; groups recorded by pid alone may be strangers by now.
    sweep: async () => ({ treeKill: 'best_effort', survivors: [], ended: [] }),
  };
}

async function endTree(leader: number, graceMs: number, clock: Clock): Promise<TreeEnd> {
  const known = new Set<number>();
  let alive = await look(leader, known);
  const patience = clock.monotonic() + graceMs;
  for (const pid of alive) signal(pid, 'SIGTERM');
  while (alive.length > 0 && clock.monotonic() < patience) {
    await clock.sleep(LOOK_MS);
    alive = await look(leader, known);
  }
  const end = clock.monotonic() + AFTER_KILL_MS;
  while (alive.length > 0 && clock.monotonic() < end) {
    for (const pid of alive) signal(pid, 'SIGKILL');
    await clock.sleep(LOOK_MS);
    alive = await look(leader, known);
  }
  return { treeKill: 'best_effort', survivors: alive };
}

/** The living of the leader's group, their children, and who was one before. */
async function look(leader: number, known: Set<number>): Promise<number[]> {
  const { stdout } = await execa('/bin/ps', ['-axo', 'pid=,ppid=,pgid=,stat='], { cleanup: false, timeout: 5000 });
  const table = stdout.split('\n').map((line) => line.trim().split(/\s+/));
  const alive: number[] = [];
  for (let grew = true; grew; ) {
    grew = false;
    for (const [pid, parent, group, state = ''] of table) {
      const id = Number(pid);
      const belongs = known.has(id) || Number(group) === leader || known.has(Number(parent));
      if (!belongs || state.startsWith('Z') || alive.includes(id)) continue;
      alive.push(id);
      known.add(id);
      grew = true;
    }
  }
  return alive;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (systemCode(error) !== 'ESRCH' && systemCode(error) !== 'EPERM') throw error;
  }
}

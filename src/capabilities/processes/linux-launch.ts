import { existsSync } from 'node:fs';
import { PalyraError } from '../../kernel/errors.ts';
import type { StartOrder } from './process-host.ts';

export interface Launch {
  readonly file: string;
  readonly args: readonly string[];
  readonly argv0: string | undefined;
  /** Whether the program's descriptor has to stay open in the child, as number 3. */
  readonly passProgram: boolean;
}

const INHERITED = '/proc/self/fd/3';

// Joins the group before the program runs, so that none of its children is born outside. Nothing of the request is
// in the text of the script. A group that is gone meanwhile is no reason not to run: marks find the tree as well.
const ENTER_GROUP = '{ echo $$ >"$0/cgroup.procs"; } 2>/dev/null; exec "$@"';
// Only bash can give a program another name than its path.
const WITH_NAME = 'exec -a "$0" "$@"';

/**
 * The command line that starts the program of an order in its group, as its user, within its limits. The checked
 * file itself is executed, through its descriptor, unless the order says that its path is as good.
 * Errors: spawn_failed where a tool of util-linux is missing.
 */
export function linuxLaunch({ program, args, account, limits, cgroup, byPath }: StartOrder): Launch {
  const wrapping = wrappers({ account, limits, cgroup });
  const [file, ...before] = wrapping;
  if (file === undefined) {
    // The descriptor closes itself at the exec of machine code; an interpreter would find it gone.
    if (program.native) return { file: `/proc/self/fd/${program.fd}`, args, argv0: program.path, passProgram: false };
    return byPath
      ? { file: program.path, args, argv0: undefined, passProgram: false }
      : { file: INHERITED, args, argv0: program.path, passProgram: true };
  }
  if (byPath) return { file, args: [...before, program.path, ...args], argv0: undefined, passProgram: false };
  const bash = firstOf(['/bin/bash', '/usr/bin/bash']);
  const named = bash === undefined ? [] : [bash, '--norc', '-p', '-c', WITH_NAME, program.path];
  return { file, args: [...before, ...named, INHERITED, ...args], argv0: undefined, passProgram: true };
}

function wrappers({ account, limits, cgroup }: Pick<StartOrder, 'account' | 'limits' | 'cgroup'>): string[] {
  const words: string[] = [];
  if (cgroup !== undefined) words.push('/bin/sh', '-c', ENTER_GROUP, cgroup.path);
  const { openFiles, processes } = limits;
  if (account !== undefined || openFiles !== undefined || processes !== undefined) {
    words.push(tool('prlimit'), '--core=0:0');
    if (openFiles !== undefined) words.push(`--nofile=${openFiles}:${openFiles}`);
    if (processes !== undefined) words.push(`--nproc=${processes}:${processes}`);
    words.push('--');
  }
  if (account !== undefined) {
    words.push(tool('setpriv'), `--reuid=${account.uid}`, `--regid=${account.gid}`, '--init-groups');
    words.push('--no-new-privs', '--bounding-set=-all', '--inh-caps=-all', '--');
  }
  return words;
}

function tool(name: string): string {
  const path = firstOf([`/usr/bin/${name}`, `/bin/${name}`]);
  if (path === undefined) {
    throw new PalyraError('spawn_failed', `the node's policy needs ${name}, which this machine does not have`, {
      hint: 'install util-linux on the node',
    });
  }
  return path;
}

const firstOf = (paths: readonly string[]): string | undefined => paths.find((path) => existsSync(path));

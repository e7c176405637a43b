import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Kinds of children that try to outlive their request, each as one sleeper with a length of its own. */
export const SLEEPERS = 5;

/**
 * Writes the program of security.md 7.3 into a folder: a child in the background, one in an own session, one behind a
 * double fork with own sessions, one in an own session with an emptied environment, and the program itself. Each
 * sleeps for `seconds`, a number nobody else on the machine uses; "ready" is printed once all are there.
 */
export function treeProgram(folder: string, seconds: string, ignoreTerm = false): string {
  const path = join(folder, 'tree.sh');
  const sleep = ignoreTerm ? `sh -c 'trap "" TERM; sleep ${seconds}; :'` : `sleep ${seconds}`;
  writeFileSync(
    path,
    `#!/bin/sh
${ignoreTerm ? "trap '' TERM" : ''}
${sleep} &
setsid ${sleep} &
(setsid sh -c 'setsid ${sleep.replaceAll("'", `'"'"'`)} & sleep 0.1' &)
setsid env -i PATH=/bin:/usr/bin ${sleep} &
while [ "$(pgrep -xc -f 'sleep ${seconds}')" -lt 4 ]; do sleep 0.02; done
echo ready
exec sleep ${seconds}
`,
    { mode: 0o755 },
  );
  return path;
}

/** Pids of the sleepers of that length that live. */
export function sleepers(seconds: string): number[] {
  try {
    return execFileSync('pgrep', ['-xf', `sleep ${seconds}`])
      .toString()
      .trim()
      .split('\n')
      .map(Number);
  } catch {
    return [];
  }
}

/** Ends what a test could not: only sleepers of its own length. */
export function endSleepers(seconds: string): void {
  for (const pid of sleepers(seconds)) process.kill(pid, 'SIGKILL');
}

import { readFile } from 'node:fs/promises';
import { execa } from 'execa';
import { PalyraError } from '../../kernel/errors.ts';
import { type Account, ownAccount } from './own-account.ts';

/**
 * The user that a policy names in `run_as`. Only root may become another one.
 * Errors: policy_denied, not_found.
 */
export async function linuxAccount(name: string): Promise<Account> {
  const own = ownAccount();
  if (name === own.name || name === String(own.uid)) return own;
  if (process.geteuid?.() !== 0) {
    throw new PalyraError('policy_denied', `the node runs as ${own.name} and cannot run programs as ${name}`, {
      hint: 'its owner takes run_as out of node-policy.json, or runs the node as root',
    });
  }
  const account = passwdLine(await readFile('/etc/passwd', 'utf8'), name) ?? passwdLine(await getent(name), name);
  if (account === undefined) {
    throw new PalyraError('not_found', `the node's policy runs programs as ${name}, but there is no such user`, {
      hint: 'its owner corrects run_as in node-policy.json',
    });
  }
  return account;
}

/** Users of a directory service are not in the file. */
async function getent(name: string): Promise<string> {
  const { stdout } = await execa('getent', ['passwd', name], {
    reject: false,
    extendEnv: false,
    env: { PATH: '/usr/bin:/bin' },
    stdin: 'ignore',
    timeout: 5000,
    cleanup: false,
  });
  return stdout;
}

function passwdLine(lines: string, wanted: string): Account | undefined {
  for (const line of lines.split('\n')) {
    const [name = '', , uid = '', gid = '', , home = ''] = line.split(':');
    if ((name !== wanted && uid !== wanted) || !/^\d+$/.test(uid) || !/^\d+$/.test(gid)) continue;
    return { name, uid: Number(uid), gid: Number(gid), home: home === '' ? '/' : home };
  }
  return undefined;
}

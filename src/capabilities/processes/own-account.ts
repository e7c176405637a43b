import { userInfo } from 'node:os';
import { systemCode } from '../../kernel/errors.ts';

export interface Account {
  readonly name: string;
  readonly home: string;
  readonly uid: number;
  readonly gid: number;
}

/** The user this process runs as, by the system's own list, not by the environment. */
export function ownAccount(): Account {
  try {
    const { username, homedir: home, uid, gid } = userInfo();
    return { name: username, home, uid, gid };
  } catch (error) {
    // A user of DynamicUser= is in no list where libnss-systemd is missing.
    if (systemCode(error) !== 'ERR_SYSTEM_ERROR') throw error;
    const uid = process.geteuid?.() ?? -1;
    return { name: String(uid), home: process.env['HOME'] ?? '/', uid, gid: process.getegid?.() ?? -1 };
  }
}

import { randomBytes } from 'node:crypto';

const PREFIX = '.palyra-write-';
const PENDING = /^\.palyra-write-[0-9a-f]{32}$/;

/** A name for a file that is not whole yet: nobody can guess it, and it is known as ours. */
export const pendingName = (): string => PREFIX + randomBytes(16).toString('hex');

export const isPendingName = (name: string): boolean => PENDING.test(name);

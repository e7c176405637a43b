import { hostname, release } from 'node:os';
import { LIMITS } from '../../kernel/limits.ts';
import { VERSION } from '../../kernel/version.ts';

/** What a machine says of itself; the names are those of the wire. */
export interface MachineFacts {
  readonly name: string;
  readonly platform: string;
  readonly arch: string;
  readonly os_version: string;
  readonly palyra_version: string;
  readonly hostname: string;
}

/** This machine; `name` is its host name unless given. */
export function machineFacts(name?: string): MachineFacts {
  const host = hostname();
  return {
    name: (name ?? host).slice(0, LIMITS.nameLength) || 'node',
    platform: process.platform,
    arch: process.arch,
    os_version: release(),
    palyra_version: VERSION,
    hostname: host,
  };
}

import { dirname } from 'node:path';
import { type BoxResult, SystemdBox } from './systemd-box.ts';

const REPOSITORY = dirname(dirname(import.meta.dirname));
const PROGRAM = '/usr/local/bin/stand-in';

export type Role = 'daemon' | 'node';

/** A box with our CLI, run from its sources, and a stand-in for the programs that the services start. */
export async function standInBox(): Promise<SystemdBox> {
  const box = await SystemdBox.start({ binds: { '/palyra': REPOSITORY, '/usr/local/bin/node': process.execPath } });
  await box.sh(
    [
      `printf '#!/bin/sh\\nexec node /palyra/test/support/stand-in-service.ts "$@"\\n' >${PROGRAM}`,
      `printf '#!/bin/sh\\nexec node /palyra/src/main.ts "$@"\\n' >/usr/local/bin/palyra`,
      `chmod 755 ${PROGRAM} /usr/local/bin/palyra`,
    ].join('; '),
  );
  return box;
}

/** What `palyra node pair` would leave, as far as a service is concerned. */
export const pairedHome = (home: string): string =>
  `mkdir -p -m 700 ${home} ${home}/node && echo '{}' >${home}/node/node-host.json && chmod 600 ${home}/node/node-host.json`;

/** Registers the stand-in as the service of a role; the report, or a failure. */
export async function install(box: SystemdBox, role: Role, ...flags: readonly string[]): Promise<InstallDocument> {
  return document(await palyra(box, role, 'install', '--json', '--binary', PROGRAM, ...flags));
}

export const palyra = (box: SystemdBox, ...words: readonly string[]): Promise<BoxResult> =>
  box.exec(['/usr/local/bin/palyra', ...words]);

/** The one JSON document of a command that must succeed. */
export function document<T>({ code, stdout, stderr }: BoxResult): T {
  if (code !== 0) throw new Error(`exit ${code}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

/** The error of a command that must fail. */
export function failure({ code, stdout, stderr }: BoxResult): { exit: number; error: ErrorDocument } {
  if (code === 0) throw new Error(`it did not fail: ${stdout}`);
  const line = stderr.split('\n').find((text) => text.startsWith('{"error"'));
  if (line === undefined) throw new Error(`no JSON error: ${stderr}`);
  return { exit: code, ...(JSON.parse(line) as { error: ErrorDocument }) };
}

export interface ErrorDocument {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

export interface ServiceDocument {
  readonly installed: boolean;
  readonly enabled: boolean;
  readonly state: string;
  readonly pid: number | null;
  readonly uptime_ms: number | null;
  readonly restarts: number;
  readonly status_text: string | null;
  readonly hardened: boolean;
  readonly unit: string | null;
  readonly scope: string | null;
  readonly user: string | null;
}

export interface InstallDocument {
  readonly service: ServiceDocument;
  readonly unit: string;
  readonly changes: readonly string[];
  readonly warnings: readonly string[];
}

export interface UninstallDocument {
  readonly was_installed: boolean;
  readonly changes: readonly string[];
  readonly left: readonly string[];
}

/** Every file of the box that an install could leave behind, without what the system itself writes all the time. */
export async function filesOf(box: SystemdBox): Promise<string[]> {
  const kept = [
    '/var/log',
    '/var/cache',
    '/var/lib/systemd',
    '/var/tmp',
    '/run',
    '/tmp',
    '/proc',
    '/sys',
    '/dev',
    '/palyra',
  ];
  const prune = kept.map((path) => `-path ${path} -prune`).join(' -o ');
  const files = await box.sh(`find / -xdev \\( ${prune} \\) -o -print`);
  // useradd keeps these of the state before.
  return files.split('\n').filter((path) => !/^\/etc\/(passwd-|group-|shadow-|gshadow-|\.pwd\.lock)$/.test(path));
}

export interface UnitNow {
  readonly pid: number;
  readonly active: boolean;
  readonly restarts: number;
}

export async function unitNow(box: SystemdBox, role: Role): Promise<UnitNow> {
  const text = await box.sh(`systemctl show palyra-${role} -p MainPID,ActiveState,NRestarts`);
  const value = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1] ?? '';
  return {
    pid: Number(value('MainPID')),
    active: value('ActiveState') === 'active',
    restarts: Number(value('NRestarts')),
  };
}

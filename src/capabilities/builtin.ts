import type { Capability } from './capability.ts';
import { echo } from './echo.ts';
import { folderJournal } from './files/write-journal.ts';
import { filesystemList } from './filesystem-list.ts';
import { filesystemRead } from './filesystem-read.ts';
import { filesystemStat } from './filesystem-stat.ts';
import { filesystemWrite } from './filesystem-write.ts';
import { type CapabilityPlatform, capabilityPlatform } from './platform.ts';
import { shellExecute } from './shell-execute.ts';
import { systemHealth } from './system-health.ts';
import { systemIdentity } from './system-identity.ts';

export interface BuiltinOptions {
  /** Files and folders that no capability opens, whatever the policy says: Palyra's own home. */
  readonly protectedPaths: readonly string[];
  readonly platform?: CapabilityPlatform;
  /** Where it is written down which files are not whole yet; `sweepWrites` reads it at the next start. */
  readonly writeJournal?: string;
}

/** What every node can do, by name. */
export function builtinCapabilities({
  protectedPaths,
  platform,
  writeJournal,
}: BuiltinOptions): ReadonlyMap<string, Capability> {
  const { files, processes } = platform ?? capabilityPlatform(protectedPaths);
  const all: readonly Capability[] = [
    echo,
    systemHealth,
    systemIdentity,
    shellExecute(processes),
    filesystemRead(files),
    filesystemList(files),
    filesystemStat(files),
    filesystemWrite(files, writeJournal === undefined ? undefined : folderJournal(writeJournal)),
  ];
  return new Map(all.map((capability) => [capability.name, capability]));
}

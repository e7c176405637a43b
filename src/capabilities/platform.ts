import type { FileAccess } from './files/confined-file.ts';
import { darwinFiles } from './files/darwin-files.ts';
import { linuxFiles } from './files/linux-files.ts';
import { windowsFiles } from './files/windows-files.ts';
import { darwinProcesses } from './processes/darwin-processes.ts';
import { linuxProcesses } from './processes/linux-processes.ts';
import type { ProcessHost } from './processes/process-host.ts';
import { windowsProcesses } from './processes/windows-processes.ts';

export interface CapabilityPlatform {
  readonly files: FileAccess;
  readonly processes: ProcessHost;
}

/** The one place where capabilities learn which operating system they are on. */
export function capabilityPlatform(
  protectedPaths: readonly string[],
  platform: string = process.platform,
): CapabilityPlatform {
  switch (platform) {
    case 'win32':
      return { files: windowsFiles(protectedPaths), processes: windowsProcesses() };
    case 'darwin':
      return { files: darwinFiles(protectedPaths), processes: darwinProcesses() };
    default:
      return { files: linuxFiles(protectedPaths), processes: linuxProcesses() };
  }
}

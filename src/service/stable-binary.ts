import { chmodSync, constants, copyFileSync, existsSync, linkSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileFailure, fsyncDir } from '../kernel/files.ts';
import { removeEmptyFolders } from './remove-empty-folders.ts';
import { othersMayChange } from './service-binary.ts';
import type { ServiceMachine } from './service-machine.ts';
import type { ServiceScope } from './service-manager.ts';

/** An executable where it stays. */
export interface StableBinary {
  readonly path: string;
  readonly copied: boolean;
  /** The service runs with it: forgets the copy that was there before. */
  keep(): void;
  /** Puts back what was there before. Twice is no error. */
  undo(): void;
}

/** Where a service's own copy lies. Below a `bin`, because SELinux lets services start what lies in one. */
export const copyPlace = (scope: ServiceScope, { userHome }: ServiceMachine): string =>
  join(scope === 'system' ? '/usr/local' : join(userHome, '.local'), 'lib', 'palyra', 'bin', 'palyra');

const PASSING = /^\/(tmp|var\/tmp|run|dev|media|mnt|proc)\//;

/** Whether a program may be expected to stay where it is, and (for a service of the machine) to stay what it is. */
function stays(binary: string, scope: ServiceScope): boolean {
  if (PASSING.test(binary)) return false;
  if (scope === 'user') return /^\/(usr|opt)\//.test(binary) || /\/bin\/[^/]+$/.test(binary);
  return !/^\/(home|root)\//.test(binary) && othersMayChange(binary) === undefined;
}

/** A program that is used where it lies. */
export const staysPut = (path: string): StableBinary => ({
  path,
  copied: false,
  keep: () => undefined,
  undo: () => undefined,
});

/** The program that runs now, or a copy of it when it was started from a place where it may not stay. */
export function stableBinary(binary: string, scope: ServiceScope, machine: ServiceMachine): StableBinary {
  const place = copyPlace(scope, machine);
  if (binary === place || stays(binary, scope)) return staysPut(binary);
  const previous = `${place}.previous`;
  const fresh = `${place}.new`;
  const hadOne = existsSync(place);
  try {
    mkdirSync(dirname(place), { recursive: true, mode: 0o755 });
    copyFileSync(binary, fresh, constants.COPYFILE_FICLONE);
    chmodSync(fresh, 0o755);
    rmSync(previous, { force: true });
    if (hadOne) linkSync(place, previous);
    renameSync(fresh, place);
    fsyncDir(dirname(place));
  } catch (error) {
    rmSync(fresh, { force: true });
    throw fileFailure(error, place);
  }
  return {
    path: place,
    copied: true,
    keep: () => rmSync(previous, { force: true }),
    undo: () => {
      if (!hadOne) removeCopy(scope, machine);
      else if (existsSync(previous)) renameSync(previous, place);
    },
  };
}

/** Removes a service's copy and the folders made for it. */
export function removeCopy(scope: ServiceScope, machine: ServiceMachine): void {
  const place = copyPlace(scope, machine);
  rmSync(place, { force: true });
  removeEmptyFolders(dirname(place), scope === 'user' ? 3 : 2);
}

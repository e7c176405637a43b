import { mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileFailure, writeFileDurable } from '../kernel/files.ts';
import { removeEmptyFolders } from './remove-empty-folders.ts';
import type { InstallReport } from './service-manager.ts';
import { startUnit, type UnitControl } from './systemd-start.ts';

interface UnitChange {
  /** Text of the unit that is there; undefined when there is none. */
  readonly before: string | undefined;
  readonly text: string;
  /** What the unit starts is another program than before, even where its text is the same. */
  readonly newProgram: boolean;
  readonly wasActive: boolean;
  /** Puts back what the former unit stands on, before that is started again. */
  readonly restore: () => void;
}

/** Puts a unit in place and starts it; what was there before comes back when it does not become ready. */
export async function registerUnit(control: UnitControl, change: UnitChange): Promise<InstallReport['unit']> {
  const { systemctl, machine, place } = control;
  const { before, text, newProgram } = change;
  try {
    if (text !== before) {
      makeFolder(dirname(place.path));
      await writeFileDurable(place.path, text, 0o644);
      // Absent where there is no SELinux; it gives the file the label that systemd may read.
      await machine.run('restorecon', ['-F', place.path]);
      await systemctl.do('daemon-reload');
    }
    await systemctl.do('enable', place.name);
    await startUnit(control, text !== before || newProgram ? 'restart' : 'start');
  } catch (error) {
    await putBack(control, change);
    throw error;
  }
  if (text === before) return 'unchanged';
  return before === undefined ? 'created' : 'replaced';
}

async function putBack({ systemctl, place }: UnitControl, { before, wasActive, restore }: UnitChange): Promise<void> {
  await systemctl.try('stop', place.name);
  if (before === undefined) {
    await systemctl.try('disable', place.name);
    rmSync(place.path, { force: true });
    removeEmptyFolders(dirname(place.path), 3);
  } else {
    await writeFileDurable(place.path, before, 0o644);
  }
  restore();
  await systemctl.try('daemon-reload');
  await systemctl.try('reset-failed', place.name);
  if (wasActive) await systemctl.try('start', '--no-block', place.name);
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw fileFailure(error, path);
  }
}

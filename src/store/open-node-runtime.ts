import { join } from 'node:path';
import type { Clock } from '../kernel/clock.ts';
import { PalyraError } from '../kernel/errors.ts';
import { readPrivateFile } from '../kernel/files.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { Logger } from '../kernel/log.ts';
import { NodeRuntimeFile } from './node-runtime-file.ts';
import { type RestoredCounts, restoreNodeRuntimeState } from './restore-node-runtime.ts';
import type { PersistedNodeRuntimeState } from './runtime-state.ts';
import { parseRuntimeText } from './runtime-text.ts';
import { setAside } from './set-aside.ts';
import { isDuplicateKey } from './sqlite-failure.ts';
import type { Store } from './store.ts';

export interface NodeRuntimeOptions {
  /** The daemon's folder, `<home>/daemon`. */
  readonly home: string;
  readonly store: Store;
  readonly daemonId: string;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface OpenedNodeRuntime {
  readonly file: NodeRuntimeFile;
  /** What came back from the file, because the database had no fleet. */
  readonly restored?: RestoredCounts;
  /** Where a damaged file lies now. */
  readonly setAside?: string;
}

export const nodeRuntimePath = (home: string): string => join(home, 'node-runtime.v1.json');

/**
 * Reads node-runtime.v1.json, restores the fleet from it where the database has none, and keeps it up to date from then
 * on. To be called before anything reads the fleet or dispatches. A damaged file is moved away and reported.
 * Errors: `database_newer` (nothing was changed), `credential_unsafe` and those of a write of the store.
 */
export async function openNodeRuntime(options: NodeRuntimeOptions): Promise<OpenedNodeRuntime> {
  const { home, store, clock, log } = options;
  const path = nodeRuntimePath(home);
  const aside = (cause: unknown): { readonly setAside: string } => {
    const to = setAside(path, clock.now());
    log.error({ err: cause, set_aside: to }, 'node-runtime.v1.json is damaged and was set aside');
    return { setAside: to };
  };
  const read = readState(path);
  if (read instanceof PalyraError) return { file: keep(options, path), ...aside(read) };
  if (read === undefined) return { file: keep(options, path) };
  const restored = await restoreNodeRuntimeState(store, read).catch((cause: unknown) => {
    if (isDuplicateKey(cause)) return cause as Error;
    throw cause;
  });
  if (restored instanceof Error) return { file: keep(options, path), ...aside(restored) };
  if (restored !== undefined) {
    const saved_at = new Date(read.saved_at_unix_ms).toISOString();
    log.warn({ ...restored, saved_at }, 'the database had no fleet; it was restored from node-runtime.v1.json');
  }
  const file = keep(options, path);
  // From here on they run and end. A copy that still had them would run them again after the next loss of the database.
  if (Object.keys(read.capability_requests).length > 0) await file.write();
  return { file, ...(restored !== undefined && { restored }) };
}

/** The state, undefined where there is none, or why it cannot be used. */
function readState(path: string): PersistedNodeRuntimeState | PalyraError | undefined {
  try {
    const text = readPrivateFile(path, LIMITS.runtimeFileBytes);
    return text === undefined ? undefined : parseRuntimeText(text, path);
  } catch (cause) {
    if (cause instanceof PalyraError && ['database_damaged', 'payload_too_large'].includes(cause.code)) return cause;
    throw cause;
  }
}

/** What a killed daemon did not get to write is due at once. */
function keep({ store, daemonId, clock, log }: NodeRuntimeOptions, path: string): NodeRuntimeFile {
  const file = new NodeRuntimeFile({ path, store, daemonId, clock, log });
  file.changed();
  return file;
}

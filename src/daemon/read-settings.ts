import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { PalyraError } from '../kernel/errors.ts';
import { fileFailure } from '../kernel/files.ts';
import { roleHome } from '../kernel/paths.ts';
import { readJsonc } from '../kernel/read-jsonc.ts';
import {
  DAEMON_DEFAULTS,
  type DaemonSettings,
  daemonSettingsSchema,
  SETTING_NAMES,
  type SettingName,
  variableOf,
} from './daemon-settings.ts';

const FILE_BYTES = 256 * 1024;

/** Values of flags, by setting; absent ones were not given. */
export type SettingFlags = Partial<{ readonly [Name in SettingName]: DaemonSettings[Name] | undefined }>;

export interface ReadSettings {
  readonly values: DaemonSettings;
  /** Per setting: `--flag`, the variable, the file, or `default`. */
  readonly origins: Readonly<Record<SettingName, string>>;
}

interface Sources {
  readonly home: string;
  readonly flags: SettingFlags;
  readonly env: NodeJS.ProcessEnv;
}

const settingsPath = (home: string): string => join(roleHome(home, 'daemon'), 'daemon.json');

/**
 * The settings of a daemon: flag over environment over `<home>/daemon/daemon.json` over default, each with its origin.
 * Errors: `config_invalid` that names the source and, for an unknown name, the one that was probably meant.
 */
export function readSettings({ home, flags, env }: Sources): ReadSettings {
  const path = settingsPath(home);
  const file = readFile(path);
  const values: Record<string, unknown> = {};
  const origins: Record<string, string> = {};
  for (const name of SETTING_NAMES) {
    const variable = variableOf(name);
    const text = env[variable];
    if (flags[name] !== undefined) {
      values[name] = checked(name, flags[name], flagOf(name));
      origins[name] = flagOf(name);
    } else if (text !== undefined && text !== '') {
      values[name] = checked(name, /^\d+$/.test(text) ? Number(text) : text, variable);
      origins[name] = variable;
    } else if (file[name] !== undefined) {
      values[name] = file[name];
      origins[name] = path;
    } else {
      values[name] = DAEMON_DEFAULTS[name];
      origins[name] = 'default';
    }
  }
  return { values: values as DaemonSettings, origins: origins as Record<SettingName, string> };
}

const flagOf = (name: SettingName): string => `--${name.replace(/_ms$/, '').replaceAll('_', '-')}`;

function readFile(path: string): { readonly [Name in SettingName]?: DaemonSettings[Name] | undefined } {
  if (!existsSync(path)) return {};
  try {
    if (statSync(path).size > FILE_BYTES) {
      throw new PalyraError('config_invalid', `${path} is larger than ${FILE_BYTES} bytes`);
    }
    const text = readFileSync(path, 'utf8');
    return readJsonc({ text, schema: daemonSettingsSchema.partial(), file: path, code: 'config_invalid' });
  } catch (cause) {
    throw fileFailure(cause, path);
  }
}

function checked(name: SettingName, value: unknown, source: string): unknown {
  const result = daemonSettingsSchema.shape[name].safeParse(value);
  if (result.success) return result.data;
  const problem = result.error.issues[0]?.message.replace(/^Invalid (?:input|option): /, '') ?? 'does not fit';
  throw new PalyraError('config_invalid', `${source} is wrong: ${problem}`, {
    hint: 'see `palyra daemon config` for each setting and its origin',
  });
}

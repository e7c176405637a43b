import { SETTING_MEANING, SETTING_NAMES } from './daemon-settings.ts';
import type { ReadSettings } from './read-settings.ts';

export interface ShownSetting {
  readonly name: string;
  readonly value: string | number;
  readonly origin: string;
  readonly meaning: string;
}

/** Each setting with its origin; what an address carries of a password is not shown. */
export const shownSettings = ({ values, origins }: ReadSettings): readonly ShownSetting[] =>
  SETTING_NAMES.map((name) => ({
    name,
    value: name === 'database_url' ? withoutPassword(values[name]) : values[name],
    origin: origins[name],
    meaning: SETTING_MEANING[name],
  }));

function withoutPassword(text: string): string {
  if (text === '') return '';
  if (!URL.canParse(text)) return '(not a URL)';
  const url = new URL(text);
  if (url.password !== '') url.password = '***';
  const names = [...url.searchParams.keys()];
  for (const name of names) {
    if (/pass|secret|key/i.test(name)) url.searchParams.set(name, '***');
  }
  return url.toString();
}

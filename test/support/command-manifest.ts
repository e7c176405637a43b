import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

interface Flag {
  readonly char?: string;
  readonly type: 'boolean' | 'option';
  readonly options?: readonly string[];
}
interface ManifestCommand {
  readonly aliases: readonly string[];
  readonly args: Readonly<Record<string, unknown>>;
  readonly flags: Readonly<Record<string, Flag>>;
  readonly strict: boolean;
  readonly examples?: readonly (string | { readonly command: string })[];
}

export type Manifest = Readonly<Record<string, ManifestCommand>>;

/** The commands as `npm run gen` found them. */
export function commandManifest(): Manifest {
  const path = join(dirname(dirname(import.meta.dirname)), 'dist', 'assets', 'oclif.manifest.json');
  return (JSON.parse(readFileSync(path, 'utf8')) as { readonly commands: Manifest }).commands;
}

/** What is wrong with a command line that somebody is to type; undefined: nothing that can be seen without running it. */
export function lineFault(words: readonly string[], commands: Manifest): string | undefined {
  const shown = `palyra ${words.join(' ')}`;
  if (words.length === 0 || /^--(help|version)$/.test(words[0] ?? '')) return undefined;
  const id = commandOf(words, commands);
  if (id === undefined) {
    const isTopic = words.length === 1 && Object.keys(commands).some((name) => name.startsWith(`${words[0]}:`));
    return isTopic ? undefined : `${shown}: no such command`;
  }
  const { flags } = commands[id] as ManifestCommand;
  const rest = words.slice(id.split(':').length);
  const own = rest.includes('--') ? rest.slice(0, rest.indexOf('--')) : rest;
  for (let at = 0; at < own.length; at += 1) {
    const word = own[at] ?? '';
    if (!word.startsWith('-') || word === '-' || word === '--help') continue;
    const [name = '', inline] = word.split('=', 2);
    const flag = flagOf(name, flags);
    if (flag === undefined) return `${shown}: ${id.replaceAll(':', ' ')} has no ${name}`;
    if (flag.type !== 'option') continue;
    if (inline === undefined) at += 1;
    const value = inline ?? own[at];
    if (value === undefined) return `${shown}: ${name} wants a value`;
    if (flag.options?.includes(value) === false) return `${shown}: ${name} takes ${flag.options.join(', ')}`;
  }
  return undefined;
}

function commandOf(words: readonly string[], commands: Manifest): string | undefined {
  const names = new Map(
    Object.entries(commands).flatMap(([id, { aliases }]) => [id, ...aliases].map((it) => [it, id])),
  );
  for (let length = Math.min(words.length, 3); length > 0; length -= 1) {
    const id = names.get(words.slice(0, length).join(':'));
    if (id !== undefined) return id;
  }
  return undefined;
}

const flagOf = (name: string, flags: Readonly<Record<string, Flag>>): Flag | undefined =>
  name.startsWith('--')
    ? flags[name.slice(2)]
    : Object.values(flags).find(({ char }) => char !== undefined && name === `-${char}`);

import type { Command, Interfaces } from '@oclif/core';
import { COMMANDS } from './generated/command-map.ts';

/**
 * The one oclif plugin of the program. Commands come from the map compiled into it and from the manifest
 * made at build time; no folder is searched, so a file laid beside the executable is never loaded.
 */
export class EmbeddedPlugin implements Interfaces.Plugin {
  readonly _base = 'palyra';
  readonly alias: string;
  readonly commandIDs: string[];
  readonly commands: Command.Loadable[];
  readonly commandsDir = undefined;
  readonly hasManifest = true;
  readonly isRoot = true;
  readonly moduleType = 'module';
  readonly name: string;
  readonly options: Interfaces.Plugin['options'];
  readonly topics: Interfaces.Topic[];
  readonly type = 'core';
  readonly valid = true;
  readonly version: string;
  hooks: Interfaces.Plugin['hooks'] = {};

  readonly pjson: Interfaces.PJSON;
  readonly root: string;

  constructor(pjson: Interfaces.PJSON, root: string, manifest: Interfaces.Manifest) {
    this.pjson = pjson;
    this.root = root;
    this.name = this.alias = pjson.name;
    this.version = pjson.version;
    this.options = { isRoot: true, name: pjson.name, root };
    this.topics = Object.entries(pjson.oclif.topics ?? {}).map(([name, topic]) => ({ ...topic, name }));
    this.commandIDs = Object.keys(manifest.commands);
    this.commands = Object.entries(manifest.commands).map(([id, cached]) => ({
      ...cached,
      load: () => this.findCommand(id, { must: true }),
    }));
  }

  async load(): Promise<void> {}

  findCommand(id: string, opts: { must: true }): Promise<Command.Class>;
  findCommand(id: string, opts?: { must: boolean }): Promise<Command.Class> | undefined;
  findCommand(id: string, opts?: { must: boolean }): Promise<Command.Class> | undefined {
    const load = COMMANDS[id];
    if (load === undefined) {
      if (opts?.must) throw new Error(`command ${id} not found`);
      return undefined;
    }
    return load().then(({ default: command }) => Object.assign(command, { id, plugin: this }) as Command.Class);
  }
}

import { constants, Script } from 'node:vm';

export interface ChunkStore {
  /** Where the chunks lie; shown in stack traces. */
  readonly folder: string;
  /** Source of a chunk. */
  source(name: string): string;
  /** V8 code cache of a chunk, if there is one. A cache that does not fit this runtime is ignored by V8. */
  cache(name: string): Buffer | undefined;
}

/** A built-in module; for anything else the error that optional dependencies are probed for. */
function builtin(id: string): unknown {
  const found: unknown = process.getBuiltinModule(id);
  if (found === undefined) throw Object.assign(new Error(`Cannot find module '${id}'`), { code: 'MODULE_NOT_FOUND' });
  return found;
}

/** Loads the chunks that the bundler cut the program into: each is compiled when it is first required. */
export class ChunkLoader {
  readonly scripts = new Map<string, Script>();
  readonly #loaded = new Map<string, { exports: unknown }>();
  readonly #store: ChunkStore;

  constructor(store: ChunkStore) {
    this.#store = store;
  }

  require = (id: string): unknown => {
    if (!id.startsWith('./')) return builtin(id);
    const name = id.slice(2);
    const known = this.#loaded.get(name);
    if (known !== undefined) return known.exports;
    const cachedData = this.#store.cache(name);
    const filename = `${this.#store.folder}/${name}`;
    const script = new Script(
      `(function(exports,require,module,__filename,__dirname){${this.#store.source(name)}\n})`,
      {
        filename,
        importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
        ...(cachedData && { cachedData }),
      },
    );
    const chunk = { exports: {} };
    this.#loaded.set(name, chunk);
    this.scripts.set(name, script);
    script.runInThisContext()(chunk.exports, this.require, chunk, filename, this.#store.folder);
    return chunk.exports;
  };
}

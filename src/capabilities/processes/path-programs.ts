// For systems that run programs by path only.
import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { PalyraError, systemCode } from '../../kernel/errors.ts';
import { outsideRoots, type Root } from '../files/file-rules.ts';
import { pathFailure, showPath } from '../files/path-text.ts';
import type { OpenedFolder, OpenedProgram } from './process-host.ts';

/** Looks a program up; nothing holds it, so the folder it lies in has to be trusted. */
export async function pathProgram(path: string, changeableBy: () => string | undefined): Promise<OpenedProgram> {
  try {
    if (!(await stat(path)).isFile()) {
      throw new PalyraError('program_not_executable', `${showPath(path)} is no regular file`);
    }
    await access(path, constants.X_OK);
    return {
      path,
      realPath: await realpath(path),
      fd: undefined,
      native: true,
      changeableBy,
      onlyRootChanges: () => true,
      sha256: () => sha256Of(path),
      close: async () => undefined,
    };
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) {
      throw new PalyraError('program_not_found', `no program ${showPath(path)} on the node`, { cause: error });
    }
    if (systemCode(error) === 'EACCES') {
      throw new PalyraError('program_not_executable', `the node may not execute ${showPath(path)}`, { cause: error });
    }
    throw pathFailure(error, path);
  }
}

/** The first of these paths that is a program. */
export async function firstProgram(
  name: string,
  paths: readonly string[],
  open: (path: string) => Promise<OpenedProgram>,
): Promise<OpenedProgram> {
  let unusable: PalyraError | undefined;
  for (const path of paths) {
    try {
      return await open(path);
    } catch (error) {
      if (!(error instanceof PalyraError)) throw error;
      if (error.code !== 'program_not_found') unusable ??= error;
    }
  }
  throw (
    unusable ??
    new PalyraError('program_not_found', `no program ${showPath(name)} on the node`, {
      hint: 'give an absolute path, or its owner extends path in node-policy.json',
    })
  );
}

async function sha256Of(path: string): Promise<string> {
  const digest = createHash('sha256');
  for await (const chunk of createReadStream(path)) digest.update(chunk as Buffer);
  return digest.digest('hex');
}

/** Looks a working folder up, links resolved. */
export async function pathFolder(
  path: string,
  roots: readonly Root[],
  isInside: (path: string, root: string) => boolean,
): Promise<OpenedFolder> {
  try {
    const realPath = await realpath(path);
    if (!(await stat(realPath)).isDirectory()) {
      throw new PalyraError('not_a_directory', `${showPath(path)} is not a folder`);
    }
    const root = roots.find(({ real }) => isInside(realPath, real.toString()));
    if (root === undefined) throw outsideRoots(path, roots, 'cwd_roots');
    return { realPath, spawnPath: realPath, rule: root.rule, close: async () => undefined };
  } catch (error) {
    throw pathFailure(error, path);
  }
}

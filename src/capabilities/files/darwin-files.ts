import { isUtf8 } from 'node:buffer';
import { PalyraError } from '../../kernel/errors.ts';
import type { FileAccess } from './confined-file.ts';
import { READ_FLAGS } from './descriptor.ts';
import { pathFiles } from './path-files.ts';
import { posixComponents, showPath } from './path-text.ts';

/** O_NOFOLLOW_ANY of macOS 11: the kernel refuses a link in any component of the path. */
const O_NOFOLLOW_ANY = 0x20000000;

/** Confinement on macOS: the resolved path is opened with a flag that lets no link slip in (security.md 7.1). */
export const darwinFiles = (protectedPaths: readonly string[]): FileAccess =>
  pathFiles({
    protectedPaths,
    check(path) {
      posixComponents(path);
      // Its file systems hold no other names.
      if (!isUtf8(path)) throw new PalyraError('path_not_found', `${showPath(path)} does not exist`);
      return path.toString();
    },
    components: (path) => path.split('/').filter((name) => name !== ''),
    flags: READ_FLAGS | O_NOFOLLOW_ANY,
  });

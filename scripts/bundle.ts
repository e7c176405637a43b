// src/main.ts -> dist/code/*.cjs (one chunk per lazily loaded part), src/boot/main.ts -> dist/boot*.cjs.
import { readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { rolldown } from 'rolldown';

const root = dirname(import.meta.dirname);
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
const common = {
  platform: 'node',
  // Its main file is UMD, whose inner requires a bundler does not see.
  resolve: { alias: { 'jsonc-parser': 'jsonc-parser/lib/esm/main.js' } },
  transform: { define: { __PALYRA_VERSION__: JSON.stringify(version) } },
} as const;
rmSync(join(root, 'dist', 'code'), { force: true, recursive: true });

const program = await rolldown({ ...common, input: { main: join(root, 'src/main.ts') } });
await program.write({
  chunkFileNames: '[name]-[hash].cjs',
  dir: join(root, 'dist', 'code'),
  entryFileNames: '[name].cjs',
  format: 'cjs',
  minify: true,
});
for (const [file, cache] of [
  ['boot.cjs', 'false'],
  ['boot-cached.cjs', 'true'],
] as const) {
  const boot = await rolldown({
    input: join(root, 'src/boot/main.ts'),
    platform: 'node',
    transform: { define: { __PALYRA_CODE_CACHE__: cache } },
  });
  await boot.write({ file: join(root, 'dist', file), format: 'cjs', minify: true });
}

// Exits 0 when node_modules is what package-lock.json says. Runs on the system's own Node, so it is plain JavaScript.
const { existsSync, readFileSync } = require('node:fs');
const { join } = require('node:path');

const root = join(__dirname, '..');
const packagesOf = (path) => JSON.parse(readFileSync(join(root, path), 'utf8')).packages;

function isInstalled() {
  const kept = 'node_modules/.package-lock.json';
  if (!existsSync(join(root, kept))) return false;
  const [wanted, found] = [packagesOf('package-lock.json'), packagesOf(kept)];
  const same = Object.entries(wanted).every(([path, { version, integrity, optional }]) => {
    if (path === '') return true;
    const there = found[path];
    // What is for other systems is left out by npm.
    if (there === undefined) return optional === true;
    return there.version === version && there.integrity === integrity && existsSync(join(root, path));
  });
  return same && Object.keys(found).every((path) => path in wanted);
}

process.exit(isInstalled() ? 0 : 1);

import assert from 'node:assert/strict';
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync, writeSync } from 'node:fs';
import test from 'node:test';
import { type OpenPipe, PipePool } from '../../../../src/capabilities/processes/pipe-pool.ts';
import { missingPrograms, skipUnless } from '../../../support/require.ts';

const skip =
  skipUnless(process.platform === 'linux', 'pipes by descriptor are a thing of Linux') ||
  skipUnless(missingPrograms(['bash']).length === 0, 'needs bash');
const asRoot = skipUnless(process.geteuid?.() === 0, 'needs root to give a pipe to another user');

const inode = ({ readFd }: OpenPipe): bigint => fstatSync(readFd, { bigint: true }).ino;

async function taken(pool: PipePool, owner?: { uid: number; gid: number }): Promise<OpenPipe> {
  const pipe = await pool.take(owner);
  assert.ok(pipe !== undefined);
  return pipe;
}

function close({ readFd, writeFd }: OpenPipe): void {
  closeSync(readFd);
  closeSync(writeFd);
}

test('a pipe carries bytes, ends when its writer does, and is used again', { skip }, async () => {
  const pool = new PipePool();
  const first = await taken(pool);
  writeSync(first.writeFd, 'hello');
  closeSync(first.writeFd);
  const bytes = Buffer.alloc(9);
  assert.equal(readSync(first.readFd, bytes), 5);
  assert.equal(readSync(first.readFd, bytes), 0);
  const was = inode(first);
  closeSync(first.readFd);
  first.recycle();
  const again = await taken(pool);
  assert.equal(inode(again), was);
  close(again);
});

test('a pipe of which somebody kept the reading end is not used again', { skip }, async () => {
  const pool = new PipePool();
  const pipe = await taken(pool);
  const kept = openSync(`/proc/self/fd/${pipe.readFd}`, constants.O_RDONLY);
  const was = inode(pipe);
  close(pipe);
  pipe.recycle();
  assert.notEqual(inode(await taken(pool)), was);
  closeSync(kept);
});

test('another user gets a pipe that nobody had before, and nobody gets it after', {
  skip: skip || asRoot,
}, async () => {
  const pool = new PipePool();
  const own = await taken(pool);
  const was = inode(own);
  close(own);
  own.recycle();
  const theirs = await taken(pool, { uid: 65_534, gid: 65_534 });
  assert.notEqual(inode(theirs), was);
  assert.equal(fstatSync(theirs.writeFd).uid, 65_534);
  const other = inode(theirs);
  close(theirs);
  theirs.recycle();
  const next = await taken(pool);
  assert.equal(inode(next), was);
  assert.notEqual(inode(await taken(pool)), other);
});

test('many at once are all different, and none is left open', { skip }, async () => {
  const before = readdirSync('/proc/self/fd').length;
  const pool = new PipePool();
  const pipes = await Promise.all(Array.from({ length: 100 }, () => taken(pool)));
  assert.equal(new Set(pipes.map(inode)).size, 100);
  for (const pipe of pipes) {
    close(pipe);
    pipe.discard();
  }
  assert.ok(readdirSync('/proc/self/fd').length <= before + 16, 'at most what is kept for the next');
});

test('a machine without bash has no pipes, and says so each time', { skip }, async () => {
  const pool = new PipePool('no-such-shell');
  await pool.warm();
  assert.equal(await pool.take(), undefined);
  assert.equal(await pool.take(), undefined);
});

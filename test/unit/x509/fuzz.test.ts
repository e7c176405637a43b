import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { PalyraError } from '../../../src/kernel/errors.ts';
import { LIMITS } from '../../../src/kernel/limits.ts';
import { readCsr, writeCsr } from '../../../src/x509/csr.ts';
import { generateP256 } from '../../../src/x509/key-pair.ts';
import { LONG } from '../../support/long.ts';

const MAX_CALL_MS = 50;
const BUDGET_MS = LONG ? 60_000 : 5_000;

/** mulberry32: small, and repeatable from its seed. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * below) | 0;
  };
}

const fill = (hex: string): Buffer => {
  const unit = Buffer.from(hex, 'hex');
  return Buffer.alloc(LIMITS.csrBytes, unit);
};

/** `content` in `depth` values of this tag, as deep as the size allows. */
function nested(tag: number, lead: Buffer, depth: number): Buffer {
  let value = Buffer.alloc(0);
  for (let at = 0; at < depth; at += 1) {
    const body = Buffer.concat([lead, value]);
    const length = body.length < 128 ? Buffer.of(body.length) : Buffer.of(0x82, body.length >> 8, body.length & 0xff);
    value = Buffer.concat([Buffer.of(tag), length, body]);
    if (value.length > LIMITS.csrBytes - 8) break;
  }
  return value;
}

// Shapes of what node-forge stumbled over: recursion without end (CVE-2025-66031), OIDs cut to 32 bits
// (CVE-2025-66030), BIT STRINGs decoded as ASN.1 again and again, lengths that lie, indefinite lengths.
const CORPUS: readonly Buffer[] = [
  nested(0x30, Buffer.alloc(0), 1000),
  nested(0xa0, Buffer.alloc(0), 1000),
  nested(0x31, Buffer.alloc(0), 1000),
  nested(0x03, Buffer.of(0), 700),
  nested(0x23, Buffer.alloc(0), 700),
  nested(0x24, Buffer.alloc(0), 700),
  fill('3080'),
  fill('30'),
  fill('a0800000'),
  fill('0500'),
  fill('ff'),
  fill('00'),
  fill('30840000'),
  Buffer.from('3084ffffffff', 'hex'),
  Buffer.from('30887fffffffffffffff', 'hex'),
  Buffer.from('30ff', 'hex'),
  Buffer.from('1f8080808001', 'hex'),
  Buffer.concat([Buffer.from('3082070006820700', 'hex'), Buffer.alloc(1792, 0xff)]),
  Buffer.concat([Buffer.from('3082070002820700', 'hex'), Buffer.alloc(1792, 0xff)]),
  Buffer.concat([Buffer.from('30820700', 'hex'), fill('0500').subarray(0, 1792)]),
];

function mutate(base: Buffer, random: (below: number) => number): Buffer {
  let bytes = Buffer.from(base);
  const rounds = 1 + random(6);
  for (let round = 0; round < rounds; round += 1) {
    const at = random(Math.max(bytes.length, 1));
    switch (random(7)) {
      case 0:
        if (bytes.length > 0) bytes[at] = random(256);
        break;
      case 1:
        if (bytes.length > 0) bytes[at] = (bytes[at] as number) ^ (1 << random(8));
        break;
      case 2:
        bytes = bytes.subarray(0, at);
        break;
      case 3: {
        const piece = Buffer.from(Array.from({ length: 1 + random(16) }, () => random(256)));
        bytes = Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
        break;
      }
      case 4: {
        const from = random(Math.max(bytes.length, 1));
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(from, from + random(200)), bytes.subarray(at)]);
        break;
      }
      case 5: {
        const other = CORPUS[random(CORPUS.length)] as Buffer;
        bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(0, random(400)), bytes.subarray(at)]);
        break;
      }
      default: {
        const tags = [0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x30, 0x31, 0xa0, 0x80, 0x17, 0x24];
        if (bytes.length > 0) bytes[at] = tags[random(tags.length)] as number;
      }
    }
  }
  return bytes;
}

/** How long reading takes, ms; the least of some tries when it seems long, since the machine has other work. */
function readingMs(der: Buffer): number {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 4 && least > MAX_CALL_MS; round += 1) {
    const start = performance.now();
    try {
      readCsr(der);
    } catch (error) {
      if (!(error instanceof PalyraError) || !error.code.startsWith('csr_')) throw error;
    }
    least = Math.min(least, performance.now() - start);
  }
  return least;
}

test('row 14: hostile DER is refused as such, and never holds the loop for 50 ms', async (t) => {
  const seed = Number(process.env['PALYRA_FUZZ_SEED'] ?? randomInt(2 ** 31));
  const random = randomFrom(seed);
  const genuine = await writeCsr(await generateP256());
  const bases = [genuine, genuine, genuine, ...CORPUS];
  let runs = 0;
  let longest = 0;
  const check = (der: Buffer): void => {
    runs += 1;
    const ms = readingMs(der);
    longest = Math.max(longest, ms);
    assert.ok(ms < MAX_CALL_MS, `seed ${seed}, run ${runs}: ${ms} ms for ${der.toString('hex')}`);
  };
  try {
    for (const der of CORPUS) check(der);
    const end = performance.now() + BUDGET_MS;
    while (performance.now() < end) {
      for (let round = 0; round < 200; round += 1) {
        check(mutate(bases[random(bases.length)] as Buffer, random));
      }
    }
  } finally {
    t.diagnostic(`seed ${seed}, ${runs} inputs, the longest took ${longest.toFixed(2)} ms`);
  }
  assert.ok(runs > 1_000, `only ${runs} inputs`);
});

test('row 14: a changed request is refused, or it is the same request', async (t) => {
  const seed = Number(process.env['PALYRA_FUZZ_SEED'] ?? randomInt(2 ** 31));
  t.diagnostic(`seed ${seed}`);
  const random = randomFrom(seed);
  const genuine = await writeCsr(await generateP256());
  for (let round = 0; round < 3_000; round += 1) {
    const changed = mutate(genuine, random);
    if (changed.equals(genuine)) continue;
    assert.throws(() => readCsr(changed), PalyraError, `seed ${seed}, round ${round}`);
  }
});

// Ad-hoc code signature for a thin 64-bit Mach-O file, made on any system.
// Layout: Apple's cs_blobs.h (SuperBlob, CodeDirectory) and <mach-o/loader.h>. Apple silicon runs no unsigned program.
import { createHash } from 'node:crypto';

const LC_SEGMENT_64 = 0x19;
const LC_CODE_SIGNATURE = 0x1d;
const PAGE = 4096;
const CODE_DIRECTORY_SIZE = 88;
const sha256 = (data: Uint8Array): Buffer => createHash('sha256').update(data).digest();
const align = (value: number, to: number): number => Math.ceil(value / to) * to;

interface Layout {
  /** File offsets of the load commands themselves. */
  linkedit: number;
  signature: number | undefined;
  end: number;
  /** Lowest file offset of any section: load commands may grow up to here. */
  firstSection: number;
  text: { fileoff: bigint; filesize: bigint };
}

function layoutOf(file: Buffer): Layout {
  if (file.readUInt32LE(0) !== 0xfeedfacf) throw new Error('not a thin 64-bit Mach-O file');
  const found: Partial<Layout> & { firstSection: number } = { firstSection: Number.MAX_SAFE_INTEGER };
  let at = 32;
  for (let left = file.readUInt32LE(16); left > 0; left -= 1) {
    const command = file.readUInt32LE(at);
    if (command === LC_CODE_SIGNATURE) found.signature = at;
    if (command === LC_SEGMENT_64) {
      const name = file.toString('latin1', at + 8, at + 24).replace(/\0+$/, '');
      if (name === '__LINKEDIT') found.linkedit = at;
      if (name === '__TEXT')
        found.text = { fileoff: file.readBigUInt64LE(at + 40), filesize: file.readBigUInt64LE(at + 48) };
      for (let i = 0; i < file.readUInt32LE(at + 64); i += 1) {
        const offset = file.readUInt32LE(at + 72 + i * 80 + 48);
        if (offset > 0) found.firstSection = Math.min(found.firstSection, offset);
      }
    }
    at += file.readUInt32LE(at + 4);
  }
  if (found.linkedit === undefined || found.text === undefined) throw new Error('no __LINKEDIT or __TEXT segment');
  return { signature: undefined, ...found, end: at } as Layout;
}

/** The signature of `file`, checked: true when every page hash of its SHA-256 code directory matches. */
export function isSignatureValid(file: Buffer): boolean {
  const { signature } = layoutOf(file);
  if (signature === undefined) return false;
  const blob = file.readUInt32LE(signature + 8);
  if (blob + 12 > file.length || file.readUInt32BE(blob) !== 0xfade0cc0) return false;
  let checked = 0;
  for (let i = 0; i < file.readUInt32BE(blob + 8); i += 1) {
    const at = blob + file.readUInt32BE(blob + 12 + i * 8 + 4);
    if (file.readUInt32BE(at) !== 0xfade0c02 || file[at + 37] !== 2) continue;
    const hashes = at + file.readUInt32BE(at + 16);
    const limit = file.readUInt32BE(at + 32);
    const page = 2 ** file[at + 39]!;
    for (let slot = 0; slot < file.readUInt32BE(at + 28); slot += 1) {
      const expected = file.subarray(hashes + slot * 32, hashes + slot * 32 + 32);
      if (!sha256(file.subarray(slot * page, Math.min((slot + 1) * page, limit))).equals(expected)) return false;
      checked += 1;
    }
  }
  return checked > 0;
}

/** `file` with an ad-hoc signature in place of the one it had. */
export function signAdHoc(file: Buffer, identifier: string): Buffer {
  const { end, firstSection, linkedit, signature, text } = layoutOf(file);
  const linkeditOffset = Number(file.readBigUInt64LE(linkedit + 40));
  const oldEnd = linkeditOffset + Number(file.readBigUInt64LE(linkedit + 48));
  const at = align(signature === undefined ? oldEnd : Math.min(file.readUInt32LE(signature + 8), oldEnd), 16);

  const ident = Buffer.from(`${identifier}\0`);
  const slots = Math.ceil(at / PAGE);
  const hashOffset = CODE_DIRECTORY_SIZE + ident.length;
  const directorySize = hashOffset + slots * 32;
  const size = 20 + directorySize;
  const padded = align(size, 16);
  const out = Buffer.alloc(at + padded);
  file.copy(out, 0, 0, Math.min(at, file.length));

  let command = signature;
  if (command === undefined) {
    if (end + 16 > firstSection) throw new Error('no room for a load command');
    command = end;
    out.writeUInt32LE(out.readUInt32LE(16) + 1, 16);
    out.writeUInt32LE(out.readUInt32LE(20) + 16, 20);
  }
  out.writeUInt32LE(LC_CODE_SIGNATURE, command);
  out.writeUInt32LE(16, command + 4);
  out.writeUInt32LE(at, command + 8);
  out.writeUInt32LE(padded, command + 12);
  const linkeditSize = at + padded - linkeditOffset;
  out.writeBigUInt64LE(BigInt(align(linkeditSize, 0x4000)), linkedit + 32);
  out.writeBigUInt64LE(BigInt(linkeditSize), linkedit + 48);

  let p = at;
  const u32 = (value: number): void => void (p = out.writeUInt32BE(value, p));
  const u64 = (value: bigint): void => void (p = out.writeBigUInt64BE(value, p));
  // SuperBlob with one entry: the code directory.
  for (const value of [0xfade0cc0, size, 1, 0, 20]) u32(value);
  // magic, length, version 2.4, flags: ad hoc, offsets, special slots, code slots, code limit
  for (const value of [0xfade0c02, directorySize, 0x20400, 0x2, hashOffset, CODE_DIRECTORY_SIZE, 0, slots, at])
    u32(value);
  p = out.writeUInt8(32, p); // hash size
  p = out.writeUInt8(2, p); // SHA-256
  p = out.writeUInt8(0, p); // platform
  p = out.writeUInt8(Math.log2(PAGE), p);
  for (const value of [0, 0, 0, 0]) u32(value); // spare2, scatter, team, spare3
  u64(0n); // 64-bit code limit
  u64(text.fileoff);
  u64(text.filesize);
  u64(1n); // main executable
  p += ident.copy(out, p);
  for (let slot = 0; slot < slots; slot += 1) {
    p += sha256(out.subarray(slot * PAGE, Math.min((slot + 1) * PAGE, at))).copy(out, p);
  }
  return out;
}

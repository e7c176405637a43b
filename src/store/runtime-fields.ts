// Kinds of fields in node-runtime.v1.json, each with its bound: wider than what any edge lets in.
import * as z from 'zod';
import { isUlid } from '../kernel/is-ulid.ts';
import { LIMITS } from '../kernel/limits.ts';

const KIB = 1024;
export const id = z.string().max(128);
export const text = z.string().max(64 * KIB);
export const json = z.string().max(LIMITS.httpBodyBytes);
export const int = z.int();
export const flag = z.int().min(0).max(1);
export const bytes = (longest: number) =>
  z
    .base64()
    .max(Math.ceil(longest / 3) * 4)
    .transform((encoded) => Buffer.from(encoded, 'base64'));
export const ulid = <Id extends string>() =>
  z.custom<Id>((value) => typeof value === 'string' && isUlid(value), 'not a ULID');

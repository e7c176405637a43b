import * as z from 'zod';
import { LIMITS } from '../../kernel/limits.ts';

/** How a request names a file: as text, or as base64 where the name is not UTF-8. Exactly one of them. */
export const pathFields = {
  path: z
    .string()
    .min(1)
    .max(LIMITS.pathLength)
    .refine((path) => path.isWellFormed(), 'is not valid Unicode')
    .optional(),
  path_base64: z
    .base64()
    .min(1)
    .max(LIMITS.pathLength * 2)
    .optional(),
};

interface PathInput {
  readonly path?: string | undefined;
  readonly path_base64?: string | undefined;
}

export const hasOnePath = ({ path, path_base64 }: PathInput): boolean =>
  (path === undefined) !== (path_base64 === undefined);

export const ONE_PATH = { error: 'give either path or path_base64', path: ['path'] };

/** The bytes of the path. Only for inputs of which `hasOnePath` is true. */
export const pathBytes = ({ path, path_base64 }: PathInput): Buffer =>
  path === undefined ? Buffer.from(path_base64 ?? '', 'base64') : Buffer.from(path);

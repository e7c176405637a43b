import * as z from 'zod';
import { hasOnePath, ONE_PATH, pathFields } from './path-input.ts';

const digest = z
  .hex()
  .length(64)
  .transform((text) => text.toLowerCase());

/** What a write is asked to do; the content itself comes as standard input. */
export const writeInput = z
  .strictObject({
    ...pathFields,
    /** Permission bits; those of the file that is replaced, or 0600, without it. */
    mode: z
      .int()
      .nonnegative()
      .max(0o777, 'has more than permission bits: setuid, setgid and sticky are never set')
      .optional(),
    /** Fail where the name is taken. */
    create_only: z.boolean().default(false),
    /** Replace only a file with this content. */
    expect_sha256: digest.optional(),
    /** What will be sent; the file stays as it was if something else arrives. */
    size_bytes: z.int().nonnegative().optional(),
    sha256: digest.optional(),
  })
  .refine(hasOnePath, ONE_PATH)
  .refine(({ create_only, expect_sha256 }) => !create_only || expect_sha256 === undefined, {
    error: 'does not go with create_only',
    path: ['expect_sha256'],
  });

export type WriteInput = z.output<typeof writeInput>;

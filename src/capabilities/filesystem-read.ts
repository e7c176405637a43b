import * as z from 'zod';
import { PalyraError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import { type CapabilityContext, defineCapability } from './capability.ts';
import type { FileAccess } from './files/confined-file.ts';
import { decidePath } from './files/decide-path.ts';
import { entryFields, entryView } from './files/entry-view.ts';
import { filePolicy, prepareFileRules } from './files/file-rules.ts';
import { hasOnePath, ONE_PATH, pathBytes, pathFields } from './files/path-input.ts';
import { showPath } from './files/path-text.ts';
import { sendFile } from './files/send-file.ts';

const name = 'filesystem.read';

/**
 * Streams bytes of a file to stdout and says what they were. At most what the file held when it was opened is read:
 * a file that grows for ever has an end.
 */
export const filesystemRead = (files: FileAccess) =>
  defineCapability({
    name,
    summary: 'Read bytes of a file in an allowed root.',
    risk: 'reads',
    input: z
      .strictObject({
        ...pathFields,
        offset: z.int().nonnegative().default(0),
        /** Bytes; absent: to the end. */
        length: z.int().nonnegative().optional(),
        /** The digest costs about a millisecond of processor time a MiB. */
        sha256: z.boolean().default(true),
      })
      .refine(hasOnePath, ONE_PATH),
    output: z.strictObject({
      ...entryFields,
      /** Bytes that were sent; fewer than asked for at the end of the file. */
      read_bytes: z.int().nonnegative(),
      offset: z.int().nonnegative(),
      /** Of the bytes that were sent. */
      sha256: z.string().optional(),
      changed_during_read: z.boolean(),
    }),
    limits: { concurrency: 16 },
    policySchema: filePolicy.extend({
      /** Most bytes of one read. */
      max_bytes: z.int().positive().default(LIMITS.fileReadBytes),
    }),
    prepare: (policy) => ({ ...prepareFileRules(policy), maxBytes: policy.max_bytes }),
    unavailable: () => files.unavailable(),
    decide: (input, rules) => decidePath(name, files, pathBytes(input), 'file', rules),
    async execute(input, rules, context: CapabilityContext) {
      const path = pathBytes(input);
      const file = await files.open(path, 'file', rules);
      try {
        const size = Number(file.stats.size);
        const wanted = Math.max(0, Math.min(input.length ?? size, size - input.offset));
        if (wanted > rules.maxBytes) {
          throw new PalyraError(
            'payload_too_large',
            `${showPath(path)}: ${wanted} bytes are more than one read may have`,
            {
              hint: `ask for at most ${rules.maxBytes} bytes at a time with offset and length`,
            },
          );
        }
        const sent = await sendFile(file, { offset: input.offset, length: wanted, hash: input.sha256 }, context);
        const now = await file.stat();
        const { size: was, mtimeNs, ctimeNs } = file.stats;
        return {
          output: {
            ...entryView(file.stats),
            read_bytes: sent.bytes,
            offset: input.offset,
            ...(sent.sha256 === undefined ? {} : { sha256: sent.sha256 }),
            // A read to the end that came up short saw the file shrink, whatever its times say.
            changed_during_read:
              sent.bytes !== wanted || now.size !== was || now.mtimeNs !== mtimeNs || now.ctimeNs !== ctimeNs,
          },
        };
      } finally {
        await file.close();
      }
    },
  });

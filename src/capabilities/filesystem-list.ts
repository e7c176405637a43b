import * as z from 'zod';
import { LIMITS } from '../kernel/limits.ts';
import { defineCapability } from './capability.ts';
import type { FileAccess } from './files/confined-file.ts';
import { decidePath } from './files/decide-path.ts';
import { entryFields, entryView, nameView } from './files/entry-view.ts';
import { filePolicy, prepareFileRules } from './files/file-rules.ts';
import { hasOnePath, ONE_PATH, pathBytes, pathFields } from './files/path-input.ts';
import { smallestNames } from './files/smallest-names.ts';

const name = 'filesystem.list';

const entry = z.strictObject({ name: z.string(), name_base64: z.string().optional(), ...entryFields });

/** Lists a folder in the order of its names' bytes, page by page; links are told, not followed. */
export const filesystemList = (files: FileAccess) =>
  defineCapability({
    name,
    summary: 'List a folder in an allowed root.',
    risk: 'reads',
    input: z
      .strictObject({
        ...pathFields,
        limit: z.int().positive().max(LIMITS.listEntriesLargest).default(LIMITS.listEntries),
        /** `next_cursor` of the page before. */
        cursor: z.base64url().max(1024).optional(),
      })
      .refine(hasOnePath, ONE_PATH),
    output: z.strictObject({ entries: z.array(entry), next_cursor: z.string().nullable() }),
    limits: { concurrency: 16 },
    policySchema: filePolicy,
    prepare: prepareFileRules,
    unavailable: () => files.unavailable(),
    decide: (input, rules) => decidePath(name, files, pathBytes(input), 'directory', rules),
    async execute(input, rules, { signal }) {
      const folder = await files.open(pathBytes(input), 'directory', rules);
      try {
        const after = Buffer.from(input.cursor ?? '', 'base64url');
        // One more than asked for tells whether there is a next page.
        const names = await smallestNames(folder.names(), after, input.limit + 1, signal);
        const entries: z.output<typeof entry>[] = [];
        let bytes = 0;
        let last: Buffer | undefined;
        for (const item of names.slice(0, input.limit)) {
          const stats = await folder.entry(item);
          if (stats !== undefined) {
            const view = { ...nameView(item), ...entryView(stats) };
            bytes += Buffer.byteLength(JSON.stringify(view)) + 1;
            if (bytes > LIMITS.listBytes) break;
            entries.push(view);
          }
          last = item;
        }
        const complete = last === undefined || last === names.at(-1);
        return { output: { entries, next_cursor: complete ? null : (last?.toString('base64url') ?? null) } };
      } finally {
        await folder.close();
      }
    },
  });

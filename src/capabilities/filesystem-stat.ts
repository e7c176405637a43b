import * as z from 'zod';
import { defineCapability } from './capability.ts';
import type { FileAccess } from './files/confined-file.ts';
import { decidePath } from './files/decide-path.ts';
import { entryFields, entryView } from './files/entry-view.ts';
import { filePolicy, prepareFileRules } from './files/file-rules.ts';
import { hasOnePath, ONE_PATH, pathBytes, pathFields } from './files/path-input.ts';

const name = 'filesystem.stat';

/** What something in an allowed root is. A symbolic link is told as such, unless the policy follows links. */
export const filesystemStat = (files: FileAccess) =>
  defineCapability({
    name,
    summary: 'Say kind, size, age and mode of a file or folder in an allowed root.',
    risk: 'reads',
    input: z.strictObject(pathFields).refine(hasOnePath, ONE_PATH),
    output: z.strictObject({ ...entryFields, uid: z.int(), gid: z.int(), links: z.int() }),
    limits: { concurrency: 16 },
    policySchema: filePolicy,
    prepare: prepareFileRules,
    unavailable: () => files.unavailable(),
    decide: (input, rules) => decidePath(name, files, pathBytes(input), 'any', rules),
    async execute(input, rules) {
      const file = await files.open(pathBytes(input), 'any', rules);
      await file.close();
      const { stats } = file;
      return {
        output: { ...entryView(stats), uid: Number(stats.uid), gid: Number(stats.gid), links: Number(stats.nlink) },
      };
    },
  });

import * as z from 'zod';
import { defineCapability } from './capability.ts';
import type { FileAccess } from './files/confined-file.ts';
import { DayQuota } from './files/day-quota.ts';
import { refusal } from './files/decide-path.ts';
import { entryFields } from './files/entry-view.ts';
import { OneAtATime } from './files/one-at-a-time.ts';
import { pathBytes } from './files/path-input.ts';
import { pathFailure } from './files/path-text.ts';
import { FileWrite } from './files/write-file.ts';
import { writeInput } from './files/write-input.ts';
import type { WriteJournal } from './files/write-journal.ts';
import { prepareWriteRules, writePolicy } from './files/write-rules.ts';
import { refuseTaken, writeTarget } from './files/write-target.ts';

const name = 'filesystem.write';

/**
 * Makes or replaces a file in an allowed root with what comes as standard input: the old content or the new one is
 * there at each moment, never a part.
 */
export const filesystemWrite = (files: FileAccess, journal?: WriteJournal) => {
  const quota = new DayQuota();
  const commits = new OneAtATime();
  return defineCapability({
    name,
    summary: 'Make or replace a file in an allowed root.',
    risk: 'writes',
    input: writeInput,
    output: z.strictObject({
      ...entryFields,
      /** Whether nothing had the name before. */
      created: z.boolean(),
      /** Of what was written. */
      sha256: z.string(),
    }),
    limits: { concurrency: 8 },
    policySchema: writePolicy,
    prepare: prepareWriteRules,
    unavailable: () => files.unavailable(),
    async decide(input, rules) {
      try {
        const place = await files.place(pathBytes(input), rules);
        try {
          refuseTaken(input.create_only, place, await writeTarget(place, pathBytes(input), input.mode, rules));
          return { allowed: true, rule: `capabilities["${name}"].${place.folder.rule}` };
        } finally {
          await place.folder.close();
        }
      } catch (error) {
        return refusal(error);
      }
    },
    async execute(input, rules, context) {
      const path = pathBytes(input);
      const place = await files.place(path, rules);
      try {
        return await new FileWrite({ input, path, place, rules, context, files, journal, quota, commits }).run();
      } catch (error) {
        throw pathFailure(error, path);
      } finally {
        await place.folder.close();
      }
    },
  });
};

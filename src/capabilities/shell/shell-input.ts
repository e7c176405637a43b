import * as z from 'zod';
import { LIMITS } from '../../kernel/limits.ts';

/** Text that reaches a program unchanged: no NUL, which would end it, and no half of a character pair. */
const exactText = z
  .string()
  .refine((text) => !text.includes('\0'), 'has a NUL in it')
  .refine((text) => text.isWellFormed(), 'is not valid Unicode');

/** Either `argv`, a program and its arguments as they are, or `script`, a line for a shell of the machine. */
export const shellInput = z
  .strictObject({
    argv: z.array(exactText).min(1).optional(),
    script: exactText.min(1).optional(),
    /** Which of the shells the policy names: by file name or path; its first one otherwise. */
    shell: exactText.min(1).max(LIMITS.pathLength).optional(),
    /** What becomes of carriage returns at line ends of a script: kept, unless `lf` is asked for. */
    line_endings: z.enum(['keep', 'lf']).optional(),
    cwd: exactText.min(1).max(LIMITS.pathLength).optional(),
    env: z
      .record(
        z
          .string()
          .regex(/^[^=\0]+$/, 'is no name of a variable')
          .max(256),
        exactText,
      )
      .optional(),
  })
  .refine(({ argv, script }) => (argv === undefined) !== (script === undefined), {
    error: 'give either argv or script',
    path: ['argv'],
  })
  .refine(({ argv }) => argv === undefined || argv[0] !== '', { error: 'the program is empty', path: ['argv', 0] })
  .refine(({ script, shell, line_endings }) => script !== undefined || (shell ?? line_endings) === undefined, {
    error: 'shell and line_endings go with script only',
    path: ['shell'],
  });

export type ShellInput = z.output<typeof shellInput>;

import { lstatSync } from 'node:fs';
import * as z from 'zod';
import { systemCode } from '../../kernel/errors.ts';
import { folderPath } from '../files/file-rules.ts';
import { joinPath, posixComponents, splitPath } from '../files/path-text.ts';
import { linearRegex } from './linear-regex.ts';

const regex = z
  .string()
  .max(1024)
  .superRefine((pattern, context) => {
    try {
      linearRegex(pattern);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      context.addIssue({ code: 'custom', message: `is no pattern of ours: ${error.message}` });
    }
  });

const onePattern = z.union([
  z.string().max(4096),
  z.strictObject({ enum: z.array(z.string().max(4096)).min(1).max(256) }),
  z.strictObject({ regex }),
  z.strictObject({ path_in_root: folderPath }),
]);

/**
 * What the arguments of a program have to be, one pattern for each: a text, one of several, a pattern for the whole
 * argument, or a path below a folder. `rest`, as the last one, takes any number of further arguments.
 */
export const argumentPatterns = z
  .array(z.union([onePattern, z.strictObject({ rest: z.union([z.literal('any'), onePattern]) })]))
  .max(256)
  .refine(
    (patterns) => patterns.slice(0, -1).every((pattern) => typeof pattern === 'string' || !('rest' in pattern)),
    'rest can only be the last one',
  );

type Pattern = z.output<typeof onePattern>;
export type ArgumentsTest = (args: readonly string[]) => boolean;

/** Compiles the patterns; without any, no argument is allowed. */
export function argumentsTest(patterns: z.output<typeof argumentPatterns>): ArgumentsTest {
  const fixed: ((argument: string) => boolean)[] = [];
  let rest: ((argument: string) => boolean) | undefined;
  for (const pattern of patterns) {
    if (typeof pattern === 'object' && 'rest' in pattern) {
      const { rest: further } = pattern;
      rest = further === 'any' ? () => true : argumentTest(further);
    } else {
      fixed.push(argumentTest(pattern));
    }
  }
  return (args) => {
    if (args.length < fixed.length || (args.length > fixed.length && rest === undefined)) return false;
    return args.every((argument, index) => (fixed[index] ?? rest)?.(argument) ?? false);
  };
}

function argumentTest(pattern: Pattern): (argument: string) => boolean {
  if (typeof pattern === 'string') return (argument) => argument === pattern;
  if ('enum' in pattern) return (argument) => pattern.enum.includes(argument);
  if ('regex' in pattern) return linearRegex(pattern.regex);
  return (argument) => isPathInRoot(argument, pattern.path_in_root);
}

/**
 * Whether an argument names something below a folder without a link on the way. The program opens it later by
 * itself, so this holds against links that exist, not against one that is put there in between.
 */
function isPathInRoot(argument: string, folder: string): boolean {
  let wanted: Buffer[];
  try {
    wanted = posixComponents(Buffer.from(argument));
  } catch {
    return false;
  }
  const root = splitPath(Buffer.from(folder));
  if (wanted.length <= root.length || !root.every((name, index) => wanted[index]?.equals(name))) return false;
  for (let depth = root.length + 1; depth <= wanted.length; depth += 1) {
    try {
      if (lstatSync(joinPath(wanted.slice(0, depth))).isSymbolicLink()) return false;
    } catch (error) {
      // What does not exist yet is no link: the program may be about to make it.
      return systemCode(error) === 'ENOENT';
    }
  }
  return true;
}

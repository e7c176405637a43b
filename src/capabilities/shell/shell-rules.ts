import { isAbsolute } from 'node:path';
import * as z from 'zod';
import { LIMITS } from '../../kernel/limits.ts';
import { folderPath, prepareRoots, type Root } from '../files/file-rules.ts';
import type { ProcessHost, ProcessLimits } from '../processes/process-host.ts';
import { type ArgumentsTest, argumentPatterns, argumentsTest } from './argument-patterns.ts';
import { isDangerousProgram } from './dangerous-programs.ts';

const programName = z
  .string()
  .min(1)
  .max(LIMITS.pathLength)
  .refine((name) => isAbsolute(name) || !/[\\/]/.test(name), 'must be an absolute path or a bare name');

const programRule = z
  .strictObject({
    program: programName,
    /** Without patterns no argument is allowed. */
    args: argumentPatterns.default([]),
    /** The file must have this content. */
    sha256: z.hex().length(64).optional(),
    /** Says that the owner knows: this program can run others. */
    dangerous: z.boolean().default(false),
  })
  .refine(({ program, dangerous }) => dangerous || !isDangerousProgram(program), {
    error: 'can run other programs: allow it with "dangerous": true, if that is meant',
    path: ['program'],
  });

const variables = z.record(
  z
    .string()
    .regex(/^[^=\0]+$/)
    .max(256),
  z.string().max(LIMITS.argumentBytes),
);

/** What the owner says about running programs. */
export const shellPolicy = (host: Pick<ProcessHost, 'defaultPath' | 'defaultShells' | 'topFolders'>) =>
  z.strictObject({
    /** `any`, or one rule for each way to call a program. */
    programs: z.union([z.literal('any'), z.array(programRule).max(256)]).default([]),
    /** Folders in which bare names are looked for, in this order; also the PATH of the programs. */
    path: z
      .array(folderPath)
      .max(64)
      .default([...host.defaultPath]),
    /** Script lines for a shell are a permission of their own: a shell runs anything. */
    script: z.enum(['allow', 'ask', 'deny']).default('deny'),
    /** Shells that script lines may name; the first one is the default. */
    shells: z
      .array(folderPath)
      .min(1)
      .max(16)
      .default([...host.defaultShells]),
    env: variables.default({}),
    /** Names that a request may set; a star at the end stands for the rest of a name. */
    env_from_request: z
      .array(
        z
          .string()
          .regex(/^[^=\0*]*\*?$/)
          .min(1)
          .max(256),
      )
      .max(256)
      .default([]),
    cwd_roots: z
      .array(folderPath)
      .min(1)
      .max(64)
      .default([...host.topFolders]),
    /** Where programs start when the request says nothing; the home of their user otherwise. */
    default_cwd: folderPath.optional(),
    /** User to run programs as; needs a node that runs as root. */
    run_as: z.string().min(1).max(64).optional(),
    /** Limits of each program, as prlimit sets them. */
    limits: z
      .strictObject({ open_files: z.int().positive().optional(), processes: z.int().positive().optional() })
      .default({}),
  });

export interface ProgramRule {
  readonly program: string;
  readonly allows: ArgumentsTest;
  readonly sha256: string | undefined;
  /** As `programs[3]`. */
  readonly name: string;
}

export interface ShellRules {
  readonly programs: 'any' | readonly ProgramRule[];
  readonly path: readonly string[];
  readonly script: 'allow' | 'ask' | 'deny';
  readonly shells: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly envFromRequest: readonly string[];
  readonly cwdRoots: readonly Root[];
  readonly defaultCwd: string | undefined;
  readonly runAs: string | undefined;
  readonly limits: ProcessLimits;
}

export const prepareShellRules = (policy: z.output<ReturnType<typeof shellPolicy>>): ShellRules => ({
  programs:
    policy.programs === 'any'
      ? 'any'
      : policy.programs.map(({ program, args, sha256 }, index) => ({
          program,
          allows: argumentsTest(args),
          sha256: sha256?.toLowerCase(),
          name: `programs[${index}]`,
        })),
  path: policy.path,
  script: policy.script,
  shells: policy.shells,
  env: policy.env,
  envFromRequest: policy.env_from_request,
  cwdRoots: prepareRoots(policy.cwd_roots, 'cwd_roots'),
  defaultCwd: policy.default_cwd,
  runAs: policy.run_as,
  limits: { openFiles: policy.limits.open_files, processes: policy.limits.processes },
});

import { realpath } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { PalyraError, systemCode } from '../../kernel/errors.ts';
import { showPath } from '../files/path-text.ts';
import type { OpenedProgram, ProcessHost } from '../processes/process-host.ts';
import type { ProgramRule, ShellRules } from './shell-rules.ts';

export interface MatchedProgram {
  readonly program: OpenedProgram;
  readonly byPath: boolean;
  /** As `programs[3]`. */
  readonly rule: string;
}

/**
 * Opens the program of an argument list and finds the rule that allows it with these arguments.
 * Errors: policy_denied, program_not_found, program_not_executable.
 */
export async function matchProgram(
  [name = '', ...args]: readonly string[],
  rules: ShellRules,
  host: ProcessHost,
  folder: string,
): Promise<MatchedProgram> {
  if (rules.programs === 'any') {
    const program = await locate(isAbsolute(name) || !name.includes('/') ? name : join(folder, name), rules, host);
    return { program, byPath: true, rule: 'programs' };
  }
  if (!isAbsolute(name) && /[\\/]/.test(name)) {
    throw new PalyraError('policy_denied', `${showPath(name)} is a path relative to a folder of the request`, {
      hint: 'name the program by its absolute path, or by its bare name',
    });
  }
  if (rules.programs.length === 0) throw denied(name, 'allows no program');
  const asked = await locate(name, rules, host);
  const { path, realPath } = asked;
  await asked.close();
  const candidates = await rulesFor(path, realPath, rules, rules.programs);
  if (candidates.length === 0) throw denied(path, 'does not allow it');
  const rule = candidates.find(({ allows }) => allows(args));
  if (rule === undefined) throw denied(path, `does not allow these arguments (${candidates[0]?.name})`);
  return openByRule(rule, rules, host);
}

/**
 * The program runs by the name that the rule has, not by the caller's: one file may be many programs (busybox), and
 * its name decides which.
 */
async function openByRule(rule: ProgramRule, rules: ShellRules, host: ProcessHost): Promise<MatchedProgram> {
  const program = await locate(rule.program, rules, host);
  try {
    const fault = program.changeableBy();
    if (fault !== undefined) {
      throw new PalyraError('policy_denied', `${showPath(program.path)} is allowed, but ${fault}`, {
        hint: 'its owner takes the right to write from group and others: chmod go-w',
      });
    }
    if (rule.sha256 !== undefined && (await program.sha256()) !== rule.sha256) {
      throw denied(program.path, `wants other content (${rule.name}.sha256)`);
    }
    const byPath = rule.sha256 === undefined && program.onlyRootChanges();
    return { program, byPath, rule: rule.name };
  } catch (error) {
    await program.close();
    throw error;
  }
}

/** The rules about this program: by its path; if there is none, by what links lead to. */
async function rulesFor(path: string, realPath: string, { path: folders }: ShellRules, all: readonly ProgramRule[]) {
  const named = all.filter(
    ({ program }) => program === path || folders.some((folder) => join(folder, program) === path),
  );
  if (named.length > 0) return named;
  const same: ProgramRule[] = [];
  for (const rule of all) {
    if (isAbsolute(rule.program) && (await realPathIs(rule.program, realPath))) same.push(rule);
  }
  return same;
}

async function realPathIs(path: string, wanted: string): Promise<boolean> {
  try {
    return (await realpath(path)) === wanted;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return false;
  }
}

const locate = (name: string, { path }: ShellRules, host: ProcessHost): Promise<OpenedProgram> =>
  isAbsolute(name) ? host.openProgram(name) : host.findProgram(name, path);

const denied = (program: string, why: string): PalyraError =>
  new PalyraError('policy_denied', `${showPath(program)}: the node's policy ${why}`, {
    hint: 'its owner adds a rule under programs of shell.execute in node-policy.json',
  });

import { PalyraError } from '../kernel/errors.ts';

/** Conditions that a template's line can be bound to. */
export type UnitCondition = 'system' | 'user' | 'hardened' | 'unprivileged' | 'private_tmp' | 'steps';

/**
 * One word of a unit file's setting, quoted so that systemd reads back exactly `text`: blanks, quotes, backslashes and
 * specifiers (`%`) have no meaning in it (systemd.syntax(7), systemd.unit(5)). Throws `usage` for control characters,
 * which no setting takes in every place.
 */
export function unitWord(text: string): string {
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(text)) {
    throw new PalyraError('usage', `a service cannot use a path with control characters: ${JSON.stringify(text)}`, {
      hint: 'choose another folder',
    });
  }
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%')}"`;
}

/**
 * The program of an ExecStart= line. `:` turns off variables: they would be looked for in every word, but `$$` is no
 * escape in the first one. Only where it is needed: systemd knows it since 244.
 */
export const unitProgram = (path: string): string => unitWord(path.includes('$') ? `:${path}` : path);

/**
 * Fills a template. `{{name}}` is replaced; a line that begins with `@a,b ` stays, without that mark, only when all
 * these conditions hold. A placeholder without a value is a fault of the program.
 */
export function renderUnit(
  template: string,
  conditions: ReadonlySet<UnitCondition>,
  values: Readonly<Record<string, string>>,
): string {
  const kept = template.split('\n').flatMap((line) => {
    const mark = /^@([a-z_,]+) (.*)$/.exec(line);
    if (mark === null) return [line];
    const [, needs = '', rest = ''] = mark;
    return needs.split(',').every((need) => conditions.has(need as UnitCondition)) ? [rest] : [];
  });
  return kept.join('\n').replace(/\{\{(\w+)\}\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`the unit template asks for ${name}`);
    return value;
  });
}

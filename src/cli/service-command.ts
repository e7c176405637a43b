import * as Flags from '@oclif/core/flags';
import { PalyraError } from '../kernel/errors.ts';
import { BaseCommand, formatOf, outputFlags } from './base.ts';
import { cleanText } from './clean-text.ts';

interface ServiceView {
  readonly state: string;
  readonly pid: number | null;
  readonly scope: string | null;
  readonly user: string | null;
  readonly unit: string | null;
  readonly hardened: boolean;
}

interface OutputChoice {
  readonly output?: 'table' | 'json' | 'ndjson' | 'name' | undefined;
  readonly json?: boolean;
}

/** Which service manager is meant, and how the answer is printed. */
export const serviceFlags = {
  user: Flags.boolean({
    summary: 'The service of the asking user, not that of the machine.',
    exclusive: ['system'],
  }),
  system: Flags.boolean({ summary: 'The service of the machine. Root asks for it by default.' }),
  ...outputFlags,
};

/** To end what runs without waiting for it. */
export const nowFlag = { now: Flags.boolean({ summary: 'End it at once, without letting work under way finish.' }) };

/** How a service is registered. */
export const installFlags = {
  ...serviceFlags,
  hardened: Flags.boolean({ summary: 'Let the system take away what it can. It holds for everything that it runs.' }),
  'run-as': Flags.string({
    summary: 'User of the service instead of one made for it.',
    helpValue: 'USER',
    exclusive: ['as-root', 'user'],
  }),
  'as-root': Flags.boolean({ summary: 'Let it run as root.', exclusive: ['user'] }),
  binary: Flags.string({ summary: 'Executable that the service starts instead of this one.', helpValue: 'PATH' }),
  'require-linger': Flags.boolean({ summary: 'Fail when the service of a user would end at its logout.' }),
};

/** What the commands of an operating system's service have in common. */
export abstract class ServiceCommand extends BaseCommand {
  protected scopeOf(flags: { readonly user: boolean; readonly system: boolean }): 'user' | 'system' | undefined {
    if (flags.user) return 'user';
    return flags.system ? 'system' : undefined;
  }

  /** The document where one was asked for, else one line about the service. */
  protected printService(document: object, service: ServiceView, flags: OutputChoice): void {
    const format = formatOf(flags);
    if (format === 'json') this.printJson(document);
    else if (format === 'ndjson') this.log(JSON.stringify(document));
    else if (format === 'name') this.log(service.unit ?? '');
    else this.log(describeService(service));
  }

  protected override async catch(cause: Error & { exitCode?: number }): Promise<never> {
    const journal = cause instanceof PalyraError ? cause.details?.['journal'] : undefined;
    if (Array.isArray(journal) && !this.wantsJson) this.tell('| ', journal.map(String));
    return await super.catch(cause);
  }

  /** What was done or must be known, for people. */
  protected tell(kind: '' | 'warning: ' | 'left: ' | '| ', lines: readonly string[]): void {
    for (const line of lines) process.stderr.write(`${kind}${cleanText(line)}\n`);
  }
}

function describeService({ state, pid, scope, user, unit, hardened }: ServiceView): string {
  const parts = [
    pid === null ? undefined : `pid ${pid}`,
    scope === null ? undefined : `${scope} service`,
    user === null ? undefined : `as ${user}`,
    hardened ? 'hardened' : undefined,
  ].filter((part) => part !== undefined);
  return cleanText(`${state}${parts.length === 0 ? '' : ` (${parts.join(', ')})`}${unit === null ? '' : `  ${unit}`}`);
}

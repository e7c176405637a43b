import { join } from 'node:path';
import { assetText } from '../kernel/assets.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { ServiceRole, ServiceScope } from './service-manager.ts';
import { type UnitFacts, writeFacts } from './unit-facts.ts';
import { renderUnit, type UnitCondition, unitProgram, unitWord } from './unit-text.ts';

const WORDS: Readonly<Record<ServiceRole, string>> = { daemon: 'daemon serve', node: 'node run' };

// RestartSteps= and RestartMaxDelaySec= came with it.
const STEPS_VERSION = 254;
const STOP_SLACK_S = 10;

export interface UnitPlan {
  readonly role: ServiceRole;
  readonly scope: ServiceScope;
  readonly binary: string;
  readonly facts: UnitFacts;
  /** The account of a system service. */
  readonly account?: { readonly name: string; readonly uid: number; readonly gid: number } | undefined;
  readonly systemdVersion: number;
}

/** The whole text of a unit file. */
export function unitText(plan: UnitPlan): string {
  const { role, binary, facts, account } = plan;
  const drainS = (LIMITS.drainMs + LIMITS.killGraceMs) / 1000;
  return renderUnit(assetText(`installers/palyra-${role}.service`), conditionsOf(plan), {
    exec_start: `${unitProgram(binary)} ${WORDS[role]}`,
    palyra_home: unitWord(`PALYRA_HOME=${facts.home}`),
    role_home: unitWord(join(facts.home, role)),
    user: account?.name ?? '',
    group: String(account?.gid ?? ''),
    drain_s: String(LIMITS.drainMs / 1000),
    stop_s: String(drainS + STOP_SLACK_S),
    protect_home: [facts.home, binary].some(isBelowHomes) ? 'read-only' : 'yes',
    facts: writeFacts(facts),
  });
}

function conditionsOf({ scope, binary, facts, account, systemdVersion }: UnitPlan): ReadonlySet<UnitCondition> {
  const conditions = new Set<UnitCondition>([scope]);
  if (facts.profile === 'hardened') conditions.add('hardened');
  if (account?.uid !== 0) conditions.add('unprivileged');
  if (![facts.home, binary].some(isTemporary)) conditions.add('private_tmp');
  if (systemdVersion >= STEPS_VERSION) conditions.add('steps');
  return conditions;
}

const isBelowHomes = (path: string): boolean => /^\/(home|root|run\/user)\//.test(path);
const isTemporary = (path: string): boolean => /^\/(var\/)?tmp\//.test(path);

import { homedir, userInfo } from 'node:os';
import { type Clock, systemClock } from '../kernel/clock.ts';
import { type RunTool, runTool } from './run-tool.ts';

/** What the service managers need to know of the machine and of who asks. */
export interface ServiceMachine {
  readonly platform: NodeJS.Platform;
  readonly uid: number;
  readonly userHome: string;
  readonly clock: Clock;
  readonly run: RunTool;
  readonly userName: () => string;
}

export const thisMachine = (): ServiceMachine => ({
  platform: process.platform,
  uid: process.geteuid?.() ?? -1,
  userHome: homedir(),
  clock: systemClock,
  run: runTool,
  userName: () => userInfo().username,
});

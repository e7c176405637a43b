// What every operating system's service manager can be asked. The names in status and reports are those of the JSON.
import type { Role } from '../kernel/paths.ts';

export type ServiceRole = Exclude<Role, 'operator'>;
/** Of the machine (starts at boot, needs root), or of one user. */
export type ServiceScope = 'system' | 'user';
/** `open`: the service sees the machine as its user does. `hardened`: the system takes away what it can. */
export type ServiceProfile = 'open' | 'hardened';

export type ServiceState =
  | 'running'
  | 'starting'
  | 'stopping'
  /** It ended by itself and is about to be started again. */
  | 'restarting'
  | 'stopped'
  | 'failed'
  | 'not_installed'
  /** The service manager did not answer. */
  | 'unknown'
  /** Services of this operating system are not supported. */
  | 'unsupported';

export interface ServiceStatus {
  readonly installed: boolean;
  /** Whether it starts with the machine (or the user's manager). */
  readonly enabled: boolean;
  readonly state: ServiceState;
  readonly pid: number | null;
  /** Since it became ready; null unless it runs. */
  readonly uptime_ms: number | null;
  /** How often the manager has started it again since it was started by hand or at boot. */
  readonly restarts: number;
  /** What the service says of itself. */
  readonly status_text: string | null;
  /** Whether the unit was written with the hardened profile. */
  readonly hardened: boolean;
  /** Path of the unit file. */
  readonly unit: string | null;
  readonly scope: ServiceScope | null;
  readonly user: string | null;
  /** The `--home` that it was installed with. */
  readonly home: string | null;
}

export interface InstallRequest {
  /** Absolute; the service gets it as PALYRA_HOME. */
  readonly home: string;
  /** Absolute path of the executable that the service starts; undefined: this one. */
  readonly binary?: string | undefined;
  readonly hardened: boolean;
  /** User of a system service instead of the dedicated one. */
  readonly runAs?: string | undefined;
  readonly asRoot: boolean;
  /** Fail when a user's service would end at logout. */
  readonly requireLinger: boolean;
}

export interface InstallReport {
  readonly service: ServiceStatus;
  readonly unit: 'created' | 'replaced' | 'unchanged';
  /** What was changed on the machine, a sentence each. */
  readonly changes: readonly string[];
  readonly warnings: readonly string[];
}

export interface UninstallRequest {
  /** Also removes the role's folder, the owner's settings of the unit, and the account that we made. */
  readonly purge: boolean;
  /** Where to look when no service is there to tell its home. */
  readonly home: string;
}

export interface UninstallReport {
  readonly was_installed: boolean;
  readonly changes: readonly string[];
  /** What is still there, and why. */
  readonly left: readonly string[];
}

export interface LogsRequest {
  readonly follow: boolean;
  readonly lines: number;
  readonly format: 'text' | 'ndjson';
}

/** Never signals a process itself: it asks the manager, which knows whose process it is. */
export interface ServiceManager {
  /** Registers and starts it, and waits until it is ready. A failed install puts back what was there before. */
  install(request: InstallRequest): Promise<InstallReport>;
  uninstall(request: UninstallRequest): Promise<UninstallReport>;
  start(): Promise<ServiceStatus>;
  /** `now`: without the drain. */
  stop(request: { readonly now: boolean }): Promise<ServiceStatus>;
  restart(request: { readonly now: boolean }): Promise<ServiceStatus>;
  status(): Promise<ServiceStatus>;
  /** Writes to standard output until the end, or until interrupted; resolves with the reader's exit code. */
  logs(request: LogsRequest): Promise<number>;
}

export interface ServiceTarget {
  readonly role: ServiceRole;
  /** Undefined: the one that is installed, else the default of who asks. */
  readonly scope?: ServiceScope | undefined;
}

/** Status of a service that is not there. */
export function noService(state: 'not_installed' | 'unsupported'): ServiceStatus {
  return {
    installed: false,
    enabled: false,
    state,
    pid: null,
    uptime_ms: null,
    restarts: 0,
    status_text: null,
    hardened: false,
    unit: null,
    scope: null,
    user: null,
    home: null,
  };
}

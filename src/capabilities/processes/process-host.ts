// Starting and ending programs, as it differs between operating systems.
import type { Readable, Writable } from 'node:stream';
import type { Clock } from '../../kernel/clock.ts';
import type { TreeKill } from '../capability.ts';
import type { Root } from '../files/file-rules.ts';
import type { Account } from './own-account.ts';
import type { RequestCgroup } from './request-cgroups.ts';

/** A program that was found; where the system can, held so that exactly this file runs. */
export interface OpenedProgram {
  /** Where it was found: becomes argv[0], by which programs find what belongs to them. */
  readonly path: string;
  /** Links resolved. */
  readonly realPath: string;
  /** Descriptor of the very file; undefined where the system runs programs by path only. */
  readonly fd: number | undefined;
  /** Whether the kernel runs it by itself: no interpreter has to open it a second time. */
  readonly native: boolean;
  /** Why others than root and the node's user could have put it there; undefined when they could not. */
  changeableBy(): string | undefined;
  /** Whether nobody but root can make the path name another file. */
  onlyRootChanges(): boolean;
  /** SHA-256 of the content, hex. */
  sha256(): Promise<string>;
  close(): Promise<void>;
}

export interface OpenedFolder {
  /** Links resolved. */
  readonly realPath: string;
  /** What `cwd` of a spawn takes to end in exactly this folder. */
  readonly spawnPath: string;
  /** Which root admitted it. */
  readonly rule: string;
  close(): Promise<void>;
}

export interface ProcessLimits {
  readonly openFiles?: number | undefined;
  readonly processes?: number | undefined;
}

export interface StartOrder {
  readonly program: OpenedProgram;
  /** Whether a run by path is as good as one by descriptor; scripts then know their own name. */
  readonly byPath: boolean;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly folder: OpenedFolder;
  /** Whether standard input comes from the request; /dev/null otherwise. */
  readonly stdin: boolean;
  /** As whom; undefined: as the node itself. */
  readonly account: Account | undefined;
  readonly limits: ProcessLimits;
  readonly cgroup: RequestCgroup | undefined;
  readonly requestId: string;
}

export interface ProgramEnd {
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
}

/** What is left of a tree that was ended. */
export interface TreeEnd {
  readonly treeKill: TreeKill;
  /** Pids that could not be ended. */
  readonly survivors: readonly number[];
}

export interface RunningProgram {
  readonly pid: number;
  /** Names the process together with the pid; empty where the system has no such thing. */
  readonly startTime: string;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly stdin: Writable | undefined;
  /** When the program itself has ended; processes it started may go on. */
  readonly exited: Promise<ProgramEnd>;
  /** Asks the whole tree to end, and after `graceMs` makes it. Safe to call when it has ended already. */
  endTree(graceMs: number, clock: Clock): Promise<TreeEnd>;
}

/** A process of an earlier run, as it was recorded. */
export interface RecordedProcess {
  readonly pid: number;
  readonly startTime: string;
}

export interface ProcessHost {
  /** Why programs cannot be run on this machine; undefined when they can. */
  unavailable(): string | undefined;
  readonly defaultPath: readonly string[];
  readonly defaultShells: readonly string[];
  /** The folders that hold all others. */
  readonly topFolders: readonly string[];
  /** What every program finds in its environment before policy and request add to it; nothing of the node's own. */
  environment(account: Account, path: readonly string[]): Record<string, string>;
  /** How a shell is given a line so that it reads it byte for byte. Errors: policy_denied (a shell we cannot feed). */
  scriptArguments(shell: string, line: string): string[];
  /** Opens the program at an absolute path. Errors: program_not_found, program_not_executable, no_permission. */
  openProgram(path: string): Promise<OpenedProgram>;
  /** The first program of that name in the folders. Errors: as `openProgram`. */
  findProgram(name: string, folders: readonly string[]): Promise<OpenedProgram>;
  /** Errors: path_not_found, not_a_directory, path_outside_roots, no_permission. */
  openFolder(path: string, roots: readonly Root[]): Promise<OpenedFolder>;
  /** The user of that name. Errors: policy_denied (this process may not become it), not_found. */
  account(name: string): Promise<Account>;
  /** Errors: program_not_executable, spawn_failed. */
  start(order: StartOrder): Promise<RunningProgram>;
  /** Once, at the start of the node: no core files from here on, and what the first request needs is there. */
  ready(): Promise<void>;
  /** Ends what an earlier run of this device left: by the mark in its environment and by the record. */
  sweep(deviceId: string, recorded: readonly RecordedProcess[], clock: Clock): Promise<TreeEnd & { ended: number[] }>;
}

/** The variable that marks every process of a device. */
export const DEVICE_MARK = 'PALYRA_DEVICE_ID';
/** The variable that marks the processes of one request. */
export const REQUEST_MARK = 'PALYRA_REQUEST_ID';

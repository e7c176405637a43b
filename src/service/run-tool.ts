import { execFile } from 'node:child_process';

export interface ToolResult {
  /** 127 when the tool does not exist, 124 when it was ended for its time. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface ToolOptions {
  readonly timeoutMs?: number;
  readonly env?: Readonly<Record<string, string>>;
}

export type RunTool = (file: string, args: readonly string[], options?: ToolOptions) => Promise<ToolResult>;

/** Where the system's tools are looked for: never in the caller's PATH, which root may share with others. */
export const TOOL_PATH = '/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin';

/** Runs a tool of the operating system to its end, in a plain environment, and returns what it said. */
export const runTool: RunTool = (file, args, { timeoutMs = 30_000, env = {} } = {}) =>
  new Promise((resolve) => {
    const options = {
      env: { PATH: TOOL_PATH, LC_ALL: 'C', TZ: 'UTC', ...env },
      timeout: timeoutMs,
      maxBuffer: 4 << 20,
      encoding: 'utf8' as const,
    };
    execFile(file, args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code === 'ENOENT' ? 127 : error.killed ? 124 : Number(error.code ?? 1);
      resolve({ code, stdout, stderr: stderr === '' && code !== 0 ? (error?.message ?? '') : stderr });
    }).stdin?.end();
  });

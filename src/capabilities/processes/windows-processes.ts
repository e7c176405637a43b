import { extname, join, win32 } from 'node:path';
import { execa } from 'execa';
import { PalyraError } from '../../kernel/errors.ts';
import { showPath } from '../files/path-text.ts';
import { type Account, ownAccount } from './own-account.ts';
import { firstProgram, pathFolder, pathProgram } from './path-programs.ts';
import { startByPath } from './path-start.ts';
import type { OpenedProgram, ProcessHost, TreeEnd } from './process-host.ts';

const SYSTEM = 'C:\\Windows';
const POWERSHELL = `${SYSTEM}\\System32\\WindowsPowerShell\\v1.0\\powershell.exe`;
const EXTENSIONS = ['.exe', '.com'];

/**
 * Programs on Windows. Who may write to a program's folder is not looked at (node:fs cannot read access lists), and
 * a tree is ended by taskkill, which finds only who still has its parents: the result says so.
 */
export function windowsProcesses(): ProcessHost {
  return {
    unavailable: () => undefined,
    defaultPath: [`${SYSTEM}\\System32`, SYSTEM, `${SYSTEM}\\System32\\WindowsPowerShell\\v1.0`],
    defaultShells: [POWERSHELL],
    topFolders: ['C:\\'],
    environment: windowsEnvironment,
    scriptArguments,
    openProgram: open,
    findProgram: (name, folders) => {
      const names = extname(name) === '' ? EXTENSIONS.map((extension) => name + extension) : [name];
      return firstProgram(
        name,
        folders.flatMap((folder) => names.map((file) => join(folder, file))),
        open,
      );
    },
    openFolder: (path, roots) =>
      pathFolder(path, roots, (real, root) => {
        const relative = win32.relative(root.toLowerCase(), real.toLowerCase());
        return !relative.startsWith('..') && !win32.isAbsolute(relative);
      }),
    async account(name) {
      const own = ownAccount();
      if (name === own.name) return own;
      throw new PalyraError('policy_denied', `programs cannot run as ${name} on Windows, only as ${own.name}`);
    },
    start: (order) => startByPath(order, endTree),
    ready: async () => undefined,
    // A pid alone is no proof here that the process is the recorded one.
    sweep: async () => ({ treeKill: 'best_effort', survivors: [], ended: [] }),
  };
}

function open(path: string): Promise<OpenedProgram> {
  if (!EXTENSIONS.includes(extname(path).toLowerCase())) {
    // cmd.exe would read the arguments of a batch file once more, as its own language (CVE-2024-27980).
    throw new PalyraError('program_not_executable', `${showPath(path)} is neither .exe nor .com`, {
      hint: 'run batch files through a script line',
    });
  }
  return pathProgram(path, () => undefined);
}

/** PowerShell takes a line as base64 of UTF-16: nothing reads its quotes before it does. */
function scriptArguments(shell: string, line: string): string[] {
  if (!/(?:powershell|pwsh)\.exe$/i.test(shell)) {
    throw new PalyraError('policy_denied', `${shell} cannot be given a line without reading it twice`, {
      hint: 'use powershell.exe or pwsh.exe',
    });
  }
  const encoded = Buffer.from(line, 'utf16le').toString('base64');
  return ['-NoProfile', '-NonInteractive', '-ExecutionPolicy', 'Bypass', '-EncodedCommand', encoded];
}

const windowsEnvironment = ({ name, home }: Account, path: readonly string[]): Record<string, string> => ({
  PATH: path.join(';'),
  PATHEXT: '.COM;.EXE',
  SystemDrive: 'C:',
  SystemRoot: SYSTEM,
  windir: SYSTEM,
  ComSpec: `${SYSTEM}\\System32\\cmd.exe`,
  USERNAME: name,
  USERPROFILE: home,
  TEMP: `${home}\\AppData\\Local\\Temp`,
  TMP: `${home}\\AppData\\Local\\Temp`,
});

async function endTree(pid: number): Promise<TreeEnd> {
  await execa(`${SYSTEM}\\System32\\taskkill.exe`, ['/pid', String(pid), '/T', '/F'], {
    reject: false,
    cleanup: false,
    timeout: 10_000,
    windowsHide: true,
  });
  return { treeKill: 'best_effort', survivors: [] };
}

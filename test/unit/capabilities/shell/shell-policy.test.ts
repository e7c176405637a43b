import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { linuxProcesses } from '../../../../src/capabilities/processes/linux-processes.ts';
import { isDangerousProgram } from '../../../../src/capabilities/shell/dangerous-programs.ts';
import { isNeverFromRequest } from '../../../../src/capabilities/shell/environment.ts';
import { shellExecute } from '../../../../src/capabilities/shell-execute.ts';
import { PalyraError } from '../../../../src/kernel/errors.ts';
import { testFolder, testRun } from '../../../support/capability-context.ts';
import { rounds } from '../../../support/long.ts';
import { missingPrograms, skipUnless } from '../../../support/require.ts';
import { underSwapAttack } from '../../../support/swap-attack.ts';

const skip = skipUnless(process.platform === 'linux', 'the form for Linux');
const asRoot = skipUnless(process.geteuid?.() === 0, 'needs root to give files to other users');
const capability = shellExecute(linuxProcesses());

/** A folder that only we write to, for programs; the folder of the test itself is too. */
function bin(t: TestContext): string {
  const folder = join(testFolder(t), 'bin');
  mkdirSync(folder, { mode: 0o755 });
  return folder;
}

function program(path: string, says: string): string {
  writeFileSync(path, `#!/bin/sh\necho ${says} "$@"\n`, { mode: 0o755 });
  chmodSync(path, 0o755);
  return path;
}

async function run(
  policy: Record<string, unknown>,
  input: Record<string, unknown>,
  given = testRun(),
): Promise<string> {
  await capability.execute(capability.input.parse(input), capability.prepare(policy), given.context);
  return given.stdout.text;
}

const denied = (error: unknown): boolean => {
  assert.ok(error instanceof PalyraError, String(error));
  assert.equal(error.code, 'policy_denied', error.message);
  return true;
};

const valid = (policy: Record<string, unknown>): boolean => capability.policySchema.safeParse(policy).success;

test('a rule with only a program allows no argument; patterns are positional and fit whole arguments', {
  skip,
}, async (t) => {
  const tool = program(join(bin(t), 'tool'), 'ran');
  const with_ = (...args: unknown[]) => ({ programs: [{ program: tool, args }], default_cwd: '/' });
  const cases: [unknown[], string[][], string[][]][] = [
    [[], [[]], [['x'], ['']]],
    [['status', '-s'], [['status', '-s']], [['status'], ['-s', 'status'], ['status', '-s', 'x'], ['status', '-s=']]],
    [[{ enum: ['up', 'down'] }], [['up'], ['down']], [['UP'], ['up '], ['updown'], []]],
    [[{ regex: 'v\\d+(?:\\.\\d+)*' }], [['v1'], ['v1.20.3']], [['v'], ['xv1'], ['v1\n'], ['v1;id']]],
    [
      ['get', { rest: 'any' }],
      [['get'], ['get', 'a', '--b']],
      [[], ['put']],
    ],
    [
      [{ rest: { regex: '[a-z]+' } }],
      [[], ['a', 'b']],
      [
        ['a', '-b'],
        ['a', ''],
      ],
    ],
  ];
  for (const [patterns, good, bad] of cases) {
    for (const args of good) {
      assert.equal(
        await run(with_(...patterns), { argv: [tool, ...args] }),
        `ran${args.map((a) => ` ${a}`).join('')}\n`,
      );
    }
    for (const args of bad) {
      await assert.rejects(run(with_(...patterns), { argv: [tool, ...args] }), denied, JSON.stringify(args));
    }
  }
});

test('a path argument stays below its folder, and leads through no link', { skip }, async (t) => {
  const folder = bin(t);
  const tool = program(join(folder, 'tool'), 'ran');
  const data = join(testFolder(t), 'data');
  mkdirSync(join(data, 'sub'), { recursive: true });
  writeFileSync(join(data, 'sub/f'), '');
  symlinkSync('/etc', join(data, 'etc'));
  symlinkSync('/etc/passwd', join(data, 'sub/link'));
  const policy = { programs: [{ program: tool, args: [{ path_in_root: data }] }], default_cwd: '/' };
  for (const path of [join(data, 'sub/f'), join(data, 'sub'), join(data, 'new/file')]) {
    assert.match(await run(policy, { argv: [tool, path] }), /^ran /);
  }
  const outside = [
    data,
    `${data}/../secret`,
    `${data}x/f`,
    '/etc/passwd',
    'sub/f',
    `--file=${data}/sub/f`,
    join(data, 'etc/passwd'),
    join(data, 'sub/link'),
    `${data}/sub//f`,
    `${data}/./sub/f`,
  ];
  for (const path of outside) await assert.rejects(run(policy, { argv: [tool, path] }), denied, path);
});

test('row 53: a program is what its rule names, not what a caller calls it', { skip }, async (t) => {
  const folder = bin(t);
  const tool = program(join(folder, 'tool'), 'ran');
  const evil = join(testFolder(t), 'evil');
  mkdirSync(evil);
  program(join(evil, 'tool'), 'EVIL');
  const policy = { programs: [{ program: tool }], path: [folder], env_from_request: ['*'], default_cwd: '/' };
  assert.equal(await run(policy, { argv: ['tool'] }), 'ran\n');
  for (const argv0 of ['./tool', 'bin/tool', '../bin/tool', '~/tool', join(evil, 'tool')]) {
    await assert.rejects(run(policy, { argv: [argv0], cwd: evil }), denied, argv0);
  }
  await assert.rejects(run(policy, { argv: ['tool'], env: { PATH: evil } }), denied, "the request's PATH");
  assert.equal(await run(policy, { argv: ['tool'], cwd: evil }), 'ran\n', 'the working folder is no place to look');
  symlinkSync('/bin/sh', join(evil, 'alias'));
  await assert.rejects(run(policy, { argv: [join(evil, 'alias')] }), denied);
  // Another name of an allowed file runs it, under the name the rule has.
  symlinkSync(tool, join(evil, 'other'));
  assert.equal(await run(policy, { argv: [join(evil, 'other')] }), 'ran\n');
});

test('row 53: one file that is many programs runs as the one its rule names', { skip }, async (t) => {
  const folder = bin(t);
  // Says the name it was called by, as busybox looks at it.
  copyFileSync('/bin/bash', join(folder, 'multi'));
  for (const name of ['good', 'evil']) symlinkSync('multi', join(folder, name));
  const policy = { programs: [{ program: join(folder, 'good'), args: ['-c', 'echo "$0"'] }], default_cwd: '/' };
  const argv = ['-c', 'echo "$0"'];
  assert.equal(await run(policy, { argv: [join(folder, 'good'), ...argv] }), `${join(folder, 'good')}\n`);
  assert.equal(await run(policy, { argv: [join(folder, 'evil'), ...argv] }), `${join(folder, 'good')}\n`);
});

test('row 53: a program that others can change or replace is refused, and the fault is named', { skip }, async (t) => {
  const cases: [string, (folder: string, tool: string) => void, RegExp][] = [
    ['group writes the file', (_, tool) => chmodSync(tool, 0o775), /can be written/],
    ['others write the folder', (folder) => chmodSync(folder, 0o777), /folder .* can be written/],
    ['a sticky folder of all', (folder) => chmodSync(folder, 0o1777), /folder .* can be written/],
    ['others write the folder above', (folder) => chmodSync(join(folder, '..'), 0o757), /folder .* can be written/],
  ];
  for (const [name, break_, message] of cases) {
    const folder = bin(t);
    const tool = program(join(folder, 'tool'), 'ran');
    const policy = { programs: [{ program: tool }], default_cwd: '/' };
    assert.equal(await run(policy, { argv: [tool] }), 'ran\n', name);
    break_(folder, tool);
    await assert.rejects(
      run(policy, { argv: [tool] }),
      (error) => denied(error) && message.test((error as Error).message),
      name,
    );
  }
  const folder = bin(t);
  const real = program(join(folder, 'real'), 'ran');
  const open = join(testFolder(t), 'open');
  mkdirSync(open);
  symlinkSync(real, join(open, 'link'));
  chmodSync(open, 0o777);
  await assert.rejects(
    run({ programs: [{ program: join(open, 'link') }] }, { argv: [join(open, 'link')] }),
    denied,
    'a link in a folder of all',
  );
});

test('row 53: a program of another user is refused', { skip: skip || asRoot }, async (t) => {
  const folder = bin(t);
  const tool = program(join(folder, 'tool'), 'ran');
  chownSync(tool, 65_534, 65_534);
  await assert.rejects(run({ programs: [{ program: tool }] }, { argv: [tool] }), denied);
});

test('row 53: with a pinned digest nothing but that content runs, however fast it is swapped', {
  skip,
  timeout: 60_000,
}, async (t) => {
  const folder = bin(t);
  const tool = program(join(folder, 'tool'), 'ran');
  const sha256 = execFileSync('sha256sum', [tool]).toString().slice(0, 64);
  program(join(folder, 'evil'), 'EVIL');
  const policy = { programs: [{ program: tool, sha256 }], default_cwd: '/' };
  assert.equal(await run(policy, { argv: [tool] }), 'ran\n');
  await assert.rejects(run(policy, { argv: [join(folder, 'evil')] }), denied);
  const seen = { ran: 0, refused: 0 };
  const swaps = await underSwapAttack(
    [[tool, join(folder, 'evil'), join(folder, 'spare')]],
    rounds(3000, 30_000),
    async () => {
      try {
        assert.equal(await run(policy, { argv: [tool] }), 'ran\n', 'the swapped file ran');
        seen.ran += 1;
      } catch (error) {
        if (!(error instanceof PalyraError)) throw error;
        seen.refused += 1;
      }
    },
  );
  t.diagnostic(`${swaps} swaps: ${JSON.stringify(seen)}`);
  assert.ok(seen.ran > 5 && seen.refused > 5, JSON.stringify(seen));
});

test('row 50: the working folder is the one that was checked, however fast it is swapped', {
  skip,
  timeout: 60_000,
}, async (t) => {
  const base = testFolder(t);
  const root = join(base, 'root');
  mkdirSync(join(root, 'work'), { recursive: true });
  mkdirSync(join(base, 'outside'));
  symlinkSync(join(base, 'outside'), join(root, 'evil'));
  const policy = { programs: 'any', cwd_roots: [root] };
  const seen = { inside: 0, refused: 0 };
  await underSwapAttack(
    [[join(root, 'work'), join(root, 'evil'), join(root, 'spare')]],
    rounds(3000, 30_000),
    async () => {
      try {
        const where = (await run(policy, { argv: ['/bin/pwd', '-P'], cwd: join(root, 'work') })).trim();
        assert.ok(where.startsWith(`${root}/`), where);
        seen.inside += 1;
      } catch (error) {
        if (!(error instanceof PalyraError)) throw error;
        seen.refused += 1;
      }
    },
  );
  t.diagnostic(JSON.stringify(seen));
  assert.ok(seen.inside > 5 && seen.refused > 5, JSON.stringify(seen));
});

test('row 54: a program that can run others is allowed only by owners who say that they know', () => {
  const names =
    'sh bash python3 python3.12 perl node env xargs find git tar rsync ssh awk sed vi less man systemctl docker kubectl npm make curl wget nmap time nice sudo busybox sort';
  for (const name of names.split(' ')) {
    assert.ok(isDangerousProgram(name), name);
    assert.equal(valid({ programs: [{ program: `/usr/bin/${name}`, args: [{ rest: 'any' }] }] }), false, name);
    assert.equal(
      valid({ programs: [{ program: `/usr/bin/${name}`, args: [{ rest: 'any' }], dangerous: true }] }),
      true,
      name,
    );
  }
  for (const name of ['uptime', 'df', 'cat', 'ls', 'gitk2']) assert.equal(isDangerousProgram(name), false, name);
});

// Each line: the patterns an owner could write, and what somebody tries to slip through them.
const ESCAPES: [string, unknown[], string[][]][] = [
  [
    'git',
    ['log', { regex: '-n\\d+' }],
    [
      ['-c', 'alias.log=!touch MARK', 'log', '-n1'],
      ['-calias.x=!touch MARK', 'x'],
      ['log', '-n1;touch MARK'],
      ['log', '--output=MARK'],
      ['--exec-path=.', 'log', '-n1'],
      ['log', '-n1', '--output=MARK'],
    ],
  ],
  [
    'find',
    [{ path_in_root: '/usr' }, '-name', { regex: '[\\w.*-]+' }],
    [
      ['/usr/bin', '-name', 'ls', '-exec', 'touch', 'MARK', ';'],
      ['.', '-fprintf', 'MARK', 'x'],
      ['/usr/bin', '-name', '-exec touch MARK'],
      ['-exec', 'touch', 'MARK'],
    ],
  ],
  [
    'tar',
    ['tf', { path_in_root: '/usr' }],
    [
      ['tf', '/usr/x.tar', '--checkpoint=1', '--checkpoint-action=exec=touch MARK'],
      ['--to-command=touch MARK', '-xf', '/usr/x'],
      ['tfI', 'touch MARK', '/usr/x'],
      ['tf', '--use-compress-program=touch MARK'],
    ],
  ],
  ['env', ['-i'], [['touch', 'MARK'], ['-i', 'touch', 'MARK'], ['-S', 'touch MARK'], ['-itouch']]],
  [
    'awk',
    [{ enum: ['{print $1}', 'NR==1'] }],
    [['BEGIN{system("touch MARK")}'], ['-f', '/dev/stdin'], ['NR==1', '-v', 'x=1']],
  ],
  [
    'sed',
    ['-n', { regex: '\\d+p' }],
    [['1e touch MARK'], ['-n', '1w MARK'], ['-n', '1p;1e touch MARK'], ['-n', '1p', '-i', 'MARK'], ['-ne', '1p']],
  ],
  [
    'sort',
    [{ rest: { regex: '[^-].*' } }],
    [
      ['-o', 'MARK', '/etc/passwd'],
      ['-oMARK', '/etc/passwd'],
      ['--output=MARK', '/etc/passwd'],
      ['--compress-program=touch', '/etc/passwd'],
    ],
  ],
  [
    'xargs',
    ['echo'],
    [
      ['touch', 'MARK'],
      ['-I{}', 'touch', 'MARK'],
      ['echo', ';', 'touch', 'MARK'],
    ],
  ],
  [
    'curl',
    ['-s', { regex: 'https://example\\.com/[a-z/]*' }],
    [
      ['-s', 'https://example.com/', '-o', 'MARK'],
      ['-soMARK', 'file:///etc/passwd'],
      ['-K', '-'],
      ['-s', 'https://example.com/\n-oMARK'],
    ],
  ],
  [
    'ssh',
    ['backup', 'uptime'],
    [
      ['-oProxyCommand=touch MARK', 'backup', 'uptime'],
      ['-o', 'ProxyCommand=touch MARK', 'backup'],
      ['backup', 'uptime;touch MARK'],
    ],
  ],
  [
    'nice',
    ['true'],
    [
      ['touch', 'MARK'],
      ['-n', '1', 'touch', 'MARK'],
    ],
  ],
  [
    'make',
    ['all'],
    [
      ['-f', '/dev/stdin'],
      ['all', '--eval=$(shell touch MARK)'],
      ['SHELL=touch', 'all'],
    ],
  ],
];

for (const [name, args, attempts] of ESCAPES) {
  const missing = missingPrograms([name]);
  test(`row 54: no argument gets out of a rule about ${name}`, {
    skip: skip || skipUnless(missing.length === 0, `no ${name} here`),
  }, async (t) => {
    const cwd = testFolder(t);
    const policy = { programs: [{ program: name, args, dangerous: true }] };
    assert.ok(valid(policy));
    for (const attempt of attempts) {
      await assert.rejects(run(policy, { argv: [name, ...attempt], cwd }), denied, JSON.stringify(attempt));
    }
    assert.equal(existsSync(join(cwd, 'MARK')), false);
  });
}

test('row 54: the escapes are real: without a rule in the way they leave their mark', {
  skip:
    skip ||
    skipUnless(
      missingPrograms(['git', 'find', 'tar', 'awk', 'sed', 'sort', 'xargs']).length === 0,
      'not all programs are here',
    ),
}, async (t) => {
  const cwd = testFolder(t);
  const real = [
    ['git', '-c', 'alias.x=!touch MARK', 'x'],
    ['find', '/usr/bin/env', '-exec', 'touch', 'MARK', ';'],
    ['tar', 'cf', '/dev/null', '--checkpoint=1', '--checkpoint-action=exec=touch MARK', '/etc/passwd'],
    ['env', 'touch', 'MARK'],
    ['awk', 'BEGIN{system("touch MARK")}'],
    ['sort', '-o', 'MARK', '/etc/passwd'],
    ['sh', '-c', 'echo | sed "1e touch MARK"'],
    ['sh', '-c', 'echo MARK | xargs touch'],
  ];
  for (const argv of real) {
    await run({ programs: 'any' }, { argv, cwd });
    assert.equal(existsSync(join(cwd, 'MARK')), true, argv.join(' '));
    rmSync(join(cwd, 'MARK'));
  }
});

test('row 55: no variable that loads or runs code can come from a request, whatever the policy allows', {
  skip,
}, async (t) => {
  const cwd = testFolder(t);
  const policy = { programs: 'any', script: 'allow', env_from_request: ['*'] };
  const names =
    'LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT DYLD_INSERT_LIBRARIES PATH IFS ENV BASH_ENV BASH_FUNC_ls%% SHELLOPTS PS4 PYTHONPATH PYTHONSTARTUP PERL5OPT PERL5LIB RUBYOPT NODE_OPTIONS NODE_PATH JAVA_TOOL_OPTIONS GIT_SSH_COMMAND GIT_EXTERNAL_DIFF SSH_ASKPASS EDITOR PAGER LESSOPEN TERMINFO HOME TMPDIR http_proxy HTTPS_PROXY all_proxy GCONV_PATH GLIBC_TUNABLES ld_preload Path PALYRA_REQUEST_ID NOTIFY_SOCKET';
  for (const name of names.split(' ')) {
    assert.ok(isNeverFromRequest(name), name);
    await assert.rejects(run(policy, { argv: ['true'], cwd, env: { [name]: 'x' } }), denied, name);
  }
  for (const name of ['LANG', 'LC_ALL', 'APP_MODE', 'TZ', 'MY_PATH', 'HOMEPAGE', 'TERM']) {
    assert.equal(isNeverFromRequest(name), false, name);
    assert.equal(await run(policy, { argv: ['printenv', name], cwd, env: { [name]: 'x' } }), 'x\n');
  }
});

test('row 55: a library or start file that would write a mark never gets to', {
  skip: skip || skipUnless(missingPrograms(['gcc']).length === 0, 'no compiler here'),
}, async (t) => {
  const cwd = testFolder(t);
  writeFileSync(
    join(cwd, 'evil.c'),
    `#include <stdio.h>\n__attribute__((constructor)) void f(void){FILE*m=fopen("${cwd}/MARK","w");if(m)fclose(m);}`,
  );
  execFileSync('gcc', ['-shared', '-fPIC', '-o', join(cwd, 'evil.so'), join(cwd, 'evil.c')]);
  execFileSync('true', { env: { LD_PRELOAD: join(cwd, 'evil.so'), PATH: '/bin:/usr/bin' } });
  assert.ok(existsSync(join(cwd, 'MARK')), 'the library works');
  rmSync(join(cwd, 'MARK'));
  writeFileSync(join(cwd, 'env.sh'), `touch ${cwd}/MARK\n`);
  const policy = { programs: 'any', script: 'allow', env_from_request: ['*'] };
  for (const env of [
    { LD_PRELOAD: join(cwd, 'evil.so') },
    { BASH_ENV: join(cwd, 'env.sh') },
    { ENV: join(cwd, 'env.sh') },
  ]) {
    await assert.rejects(run(policy, { argv: ['bash', '-c', ':'], cwd, env }), denied);
  }
  assert.equal(existsSync(join(cwd, 'MARK')), false);
});

test('row 55: variables of a request need a place in the allowlist', { skip }, async () => {
  const policy = { programs: 'any', env_from_request: ['APP_*', 'TZ'], default_cwd: '/' };
  assert.equal(await run(policy, { argv: ['printenv', 'APP_X', 'TZ'], env: { APP_X: '1', TZ: 'UTC' } }), '1\nUTC\n');
  for (const name of ['LANG', 'XAPP_', 'TZX']) {
    await assert.rejects(run(policy, { argv: ['true'], env: { [name]: '1' } }), denied, name);
  }
});

test('row 56: what a shell would read is read by nobody', { skip }, async (t) => {
  const cwd = testFolder(t);
  const policy = { programs: [{ program: 'printf', args: [{ rest: 'any' }] }] };
  for (const text of [
    '; touch MARK',
    '$(touch MARK)',
    '`touch MARK`',
    '| touch MARK',
    '&& touch MARK',
    '\n touch MARK',
    '> MARK',
    '\u0000'.slice(1),
  ]) {
    assert.equal(await run(policy, { argv: ['printf', '%s', text], cwd }), text);
  }
  for (const argv of [
    ['printf;touch MARK'],
    ['printf touch'],
    ['sh', '-c', 'touch MARK'],
    ['/bin/sh', '-c', 'touch MARK'],
  ]) {
    await assert.rejects(run(policy, { argv, cwd }), PalyraError);
  }
  assert.equal(existsSync(join(cwd, 'MARK')), false);
});

test('an allowed program never allows a script line', { skip }, async (t) => {
  const cwd = testFolder(t);
  const policy = { programs: [{ program: 'printf', args: [{ rest: 'any' }] }] };
  for (const script of ['printf x', 'printf x | sh', 'printf x; touch MARK']) {
    await assert.rejects(run(policy, { script, cwd }), denied);
  }
  await assert.rejects(run({ programs: 'any' }, { script: 'true', cwd }), denied);
});

test('decide says what execute would do, runs nothing, and names the rule', { skip }, async (t) => {
  const folder = bin(t);
  const tool = program(join(folder, 'tool'), 'ran');
  const mark = join(folder, 'MARK');
  writeFileSync(join(folder, 'marker'), `#!/bin/sh\ntouch ${mark}\n`, { mode: 0o755 });
  const rules = capability.prepare({
    programs: [{ program: tool }, { program: join(folder, 'marker') }],
    script: 'allow',
    default_cwd: '/',
  });
  const decide = (input: unknown) => capability.decide(capability.input.parse(input), rules);
  assert.deepEqual(await decide({ argv: [join(folder, 'marker')] }), {
    allowed: true,
    rule: 'capabilities["shell.execute"].programs[1]',
  });
  assert.deepEqual(await decide({ script: 'echo' }), { allowed: true, rule: 'capabilities["shell.execute"].script' });
  assert.equal(existsSync(mark), false);
  for (const [input, code] of [
    [{ argv: [tool, 'x'] }, 'policy_denied'],
    [{ argv: [join(folder, 'none')] }, 'program_not_found'],
    [{ argv: [tool], env: { A: '1' } }, 'policy_denied'],
    [{ argv: [tool], cwd: '/none' }, 'path_not_found'],
  ] as const) {
    const decision = await decide(input);
    assert.equal(decision.allowed === false && decision.code, code, JSON.stringify(input));
  }
  renameSync(tool, `${tool}2`);
});

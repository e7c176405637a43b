import { PalyraError } from '../../kernel/errors.ts';

// Names by which a request could make an allowed program load or run something else (security.md 7.2). A star stands
// for the rest of the name. Compared without regard to case: a superset, and proxies are written both ways.
const NEVER = [
  'LD_* DYLD_* PATH IFS ENV BASH_ENV BASH_FUNC_* BASHOPTS SHELLOPTS PS4 PROMPT_COMMAND CDPATH GLOBIGNORE',
  'PYTHON* PERL5* PERLLIB RUBY* GEM_* NODE_* NPM_CONFIG_* DENO_* BUN_* LUA_* PHPRC PHP_INI_* JAVA_TOOL_OPTIONS',
  '_JAVA_OPTIONS JDK_JAVA_OPTIONS CLASSPATH MAVEN_OPTS GRADLE_OPTS AWKPATH AWKLIBPATH TCLLIBPATH',
  'GIT_* SSH_* RSYNC_* CVS_RSH HG* SVN_* EDITOR VISUAL PAGER MANPAGER BROWSER LESS* MORE SYSTEMD_* TAR_OPTIONS',
  'MAKEFLAGS MAKEFILES GNUMAKEFLAGS DOCKER_* KUBECONFIG CURL_HOME WGETRC OPENSSL_* SSL_CERT_*',
  'TERMINFO TERMINFO_DIRS TERMCAP HOME USER LOGNAME SHELL TMPDIR TMP TEMP XDG_* ZDOTDIR',
  '*_PROXY GCONV_PATH GLIBC_TUNABLES LOCPATH NLSPATH MALLOC_* HOSTALIASES RESOLV_HOST_CONF LOCALDOMAIN',
  'NOTIFY_SOCKET WATCHDOG_* LISTEN_* JOURNAL_STREAM CREDENTIALS_DIRECTORY INVOCATION_ID PALYRA_*',
  'COMSPEC PATHEXT SYSTEMROOT WINDIR PSMODULEPATH',
].join(' ');

const never = NEVER.split(' ').map(namePattern);

/** A test for names: exact, or with a star at its beginning or end. */
function namePattern(pattern: string): (name: string) => boolean {
  const wanted = pattern.toUpperCase();
  if (wanted.endsWith('*')) return (name) => name.startsWith(wanted.slice(0, -1));
  if (wanted.startsWith('*')) return (name) => name.endsWith(wanted.slice(1));
  return (name) => name === wanted;
}

/** Whether no policy can let a request set this variable. */
export const isNeverFromRequest = (name: string): boolean => never.some((fits) => fits(name.toUpperCase()));

/**
 * Refuses what a request may not set. Throws policy_denied.
 * @param allowed names of the policy's `env_from_request`; a star at the end stands for the rest of a name.
 */
export function checkRequestEnvironment(names: readonly string[], allowed: readonly string[]): void {
  const fits = allowed.map(namePattern);
  for (const name of names) {
    if (isNeverFromRequest(name)) {
      throw new PalyraError('policy_denied', `a request may never set the variable ${name}`, {
        hint: 'the owner of the node can set it under env in node-policy.json',
      });
    }
    if (!fits.some((test) => test(name.toUpperCase()))) {
      throw new PalyraError('policy_denied', `the node's policy does not let a request set the variable ${name}`, {
        hint: 'its owner adds the name to env_from_request in node-policy.json',
      });
    }
  }
}

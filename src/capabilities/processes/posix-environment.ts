import type { Account } from './own-account.ts';

/** PATH of the policy, who the user is, and a locale in which no character is lost. */
export const posixEnvironment = ({ name, home }: Account, path: readonly string[]): Record<string, string> => ({
  PATH: path.join(':'),
  HOME: home,
  USER: name,
  LOGNAME: name,
  SHELL: '/bin/sh',
  LANG: 'C.UTF-8',
});

import { endpointName, homeEndpoints, operatorEndpoint } from './operator-endpoint.ts';
import { findToken } from './operator-token-source.ts';
import { ownWords } from './own-words.ts';

export interface Setting {
  readonly name: string;
  /** Never a secret: of a token only that there is one. */
  readonly value: string;
  readonly origin: string;
}

interface SettingFlags {
  readonly daemon?: string | undefined;
  readonly 'token-file'?: string | undefined;
}

/** What the operator commands of this home go by: flag over environment over default. Errors: `usage`. */
export function operatorSettings(home: string, flags: SettingFlags, argv: readonly string[]): readonly Setting[] {
  const words = ownWords(argv);
  const originOf = (flag: string, variable: string): string => {
    if (words.some((word) => word === flag || word.startsWith(`${flag}=`))) return flag;
    return (process.env[variable] ?? '') === '' ? 'default' : variable;
  };
  const endpoints =
    flags.daemon === undefined || flags.daemon === '' ? homeEndpoints(home) : [operatorEndpoint(flags.daemon)];
  const token = findToken(home, flags['token-file']);
  return [
    { name: 'home', value: home, origin: originOf('--home', 'PALYRA_HOME') },
    {
      name: 'daemon',
      value: endpoints.map(endpointName).join(' or '),
      origin: originOf('--daemon', 'PALYRA_DAEMON'),
    },
    { name: 'token', value: token === undefined ? 'none' : 'present', origin: token?.origin ?? 'default' },
    { name: 'token_file', value: flags['token-file'] ?? '', origin: originOf('--token-file', 'PALYRA_TOKEN_FILE') },
  ];
}

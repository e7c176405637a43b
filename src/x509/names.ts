/** TLS name under which every daemon is reached, whatever its address. */
export const DAEMON_NAME = 'daemon.palyra.internal';

/** First 8 hex digits of SHA-256 over the CA's public key: names a CA. */
export const ca8Of = (spkiSha256: string): string => spkiSha256.slice(0, 8);

/** TLS name that asks a daemon for its leaf under one CA. */
export const daemonNameUnder = (ca8: string): string => `${ca8}.${DAEMON_NAME}`;

export const daemonUri = (daemonId: string): string => `palyra://daemon/${daemonId}`;
export const deviceUri = (deviceId: string): string => `palyra://device/${deviceId}`;

import type { Server } from 'node:http';
import type { ListenOptions } from 'node:net';
import { PalyraError, systemCode } from '../kernel/errors.ts';

/** Listens, or tells why not. Errors: `port_taken`, `no_permission`. */
export function listen(server: Server, options: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const where = options.path ?? `${options.host}:${options.port}`;
    const failed = (cause: Error): void => {
      const code = systemCode(cause);
      if (code === 'EADDRINUSE') {
        reject(
          new PalyraError('port_taken', `something else listens on ${where}`, {
            hint: 'stop it, or choose another address with --operator-listen 127.0.0.1:PORT',
            cause,
          }),
        );
      } else if (code === 'EACCES') {
        reject(new PalyraError('no_permission', `the system does not let this user listen on ${where}`, { cause }));
      } else {
        reject(cause);
      }
    };
    server.once('error', failed);
    server.listen(options, () => {
      server.off('error', failed);
      resolve();
    });
  });
}

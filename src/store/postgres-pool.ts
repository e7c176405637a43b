// Connections to PostgreSQL as Kysely takes them. Only plain statements in transactions: nothing that a pooler between
// us and the server would tear apart (named statements, LISTEN, session locks, settings of a session).
import type { PostgresCursor, PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely';
import { Pool, type PoolClient, types } from 'pg';
import { LIMITS } from '../kernel/limits.ts';
import type { Logger } from '../kernel/log.ts';
import { postgresFailure, StoreUnavailable } from './postgres-failure.ts';
import type { PostgresUrl } from './postgres-url.ts';
import { storable } from './storable.ts';

const INT8 = 20;
const KEEP_ALIVE_MS = 10_000;

export interface PoolOptions {
  readonly url: PostgresUrl;
  readonly log: Logger;
  readonly connections: number;
  /** How long the server may take for one statement, ms. */
  readonly statementMs: number;
  /** Told of each statement with the number of rows it changed or read. */
  readonly saw?: (sql: string, rows: number) => void;
}

/** Opens nothing yet. Every failure comes out as one of ours. Errors: `config_invalid`. */
export function openPool({ url, log, connections, statementMs, saw }: PoolOptions): PostgresPool {
  const pool = makePool({ url, connections, statementMs });
  // A server that restarts ends the connections that rest; the next one to be taken is a new one.
  pool.on('error', (cause) => log.debug({ err: cause, database: url.shown }, 'a resting connection was cut'));
  return {
    options: {},
    async connect() {
      try {
        return new Client(await pool.connect(), url.shown, saw);
      } catch (cause) {
        throw postgresFailure(cause, url.shown, 'connect');
      }
    },
    end: () => pool.end(),
  };
}

function makePool({ url, connections, statementMs }: Pick<PoolOptions, 'url' | 'connections' | 'statementMs'>) {
  try {
    return new Pool({
      connectionString: url.secret,
      max: connections,
      connectionTimeoutMillis: LIMITS.storeConnectMs,
      query_timeout: statementMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
      fallback_application_name: 'palyra',
      allowExitOnIdle: true,
      types: { getTypeParser: (type: number, format) => (type === INT8 ? Number : types.getTypeParser(type, format)) },
    });
  } catch (cause) {
    throw postgresFailure(cause, url.shown, 'connect');
  }
}

/** A connection that is thrown away, not put back, once something other than the server's own word went wrong with it. */
class Client implements PostgresPoolClient {
  readonly #client: PoolClient;
  readonly #shown: string;
  readonly #saw: PoolOptions['saw'];
  #broken = false;

  constructor(client: PoolClient, shown: string, saw: PoolOptions['saw']) {
    this.#client = client;
    this.#shown = shown;
    this.#saw = saw;
    // Cut between two statements: without a listener that would end the process.
    client.on('error', this.#cut);
  }

  readonly #cut = (): void => {
    this.#broken = true;
  };

  query<R>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>>;
  query<R>(cursor: PostgresCursor<R>): PostgresCursor<R>;
  query<R>(
    sql: string | PostgresCursor<R>,
    parameters: readonly unknown[] = [],
  ): PostgresCursor<R> | Promise<PostgresQueryResult<R>> {
    if (typeof sql !== 'string') throw new TypeError('a cursor would need a session of its own: page instead');
    return this.#run<R>(sql, parameters);
  }

  async #run<R>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>> {
    // Nobody answers on it: a rollback would only wait for that again.
    if (this.#broken) throw new StoreUnavailable(`the connection to ${this.#shown} was lost`, 'statement', {});
    try {
      const result = await this.#client.query(sql, parameters.map(storable));
      this.#saw?.(sql, result.rowCount ?? 0);
      return result as unknown as PostgresQueryResult<R>;
    } catch (cause) {
      const failure = postgresFailure(cause, this.#shown, sql === 'commit' ? 'commit' : 'statement');
      if (failure instanceof StoreUnavailable) this.#broken = true;
      throw failure;
    }
  }

  release(discard?: boolean): void {
    this.#client.removeListener('error', this.#cut);
    this.#client.release(this.#broken || discard === true);
  }
}

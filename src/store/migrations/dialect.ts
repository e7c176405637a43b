/** Which of the two databases a migration is for. */
export type StoreDialect = 'sqlite' | 'postgres';

import { command } from '../statement.ts';

/** The advisory lock under which Kysely's own `Migrator` runs: who runs the migrations by hand is waited for too. */
const KYSELY_LOCK = '3853314791062309107';

/**
 * Owns the right to migrate until the transaction ends. Whoever migrates may take long, so a `lock_timeout` that was set for tables
 * does not end the wait; it holds again for what comes after.
 */
export const lockMigrations = command(`do $$
  declare was text := current_setting('lock_timeout');
  begin
    perform set_config('lock_timeout', '0', true);
    perform pg_advisory_xact_lock(${KYSELY_LOCK});
    perform set_config('lock_timeout', was, true);
  end $$`);

export { type PostgresPool } from './driver.ts';
export type { NativeType } from './native-types.ts';
export { type ConfigTable, type ConfigTableOptions, configFromTable } from './postgres-config-table.ts';
export { type PostgresMigrationOptions, postgresMigrations } from './postgres-migrations.ts';
export { type PostgresStore, type PostgresStoreOptions, postgresStore } from './postgres-store.ts';
export { type TableMap, type TableMapping } from './table-map.ts';

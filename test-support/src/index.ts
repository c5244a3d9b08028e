export { type Certificate, createCertificate } from './certificate.ts';
export { createDatabase, type Database } from './database.ts';
export {
  cosmosFromEnvironment,
  type Engine,
  EngineMissingError,
  type EngineProcess,
  inCi,
} from './engine.ts';
export { type FaultProxy, type LinkFaults, startFaultProxy } from './fault-proxy.ts';
export { KEY_VAULT_TOKEN, type KeyVaultDouble, startKeyVaultDouble } from './key-vault-double.ts';
export { startPgBouncer } from './pgbouncer.ts';
export { type PostgresOptions, startPostgres } from './postgres-server.ts';
export { type RedisCluster, type RedisNode, startRedisCluster } from './redis-cluster.ts';
export { type RedisSentinel, startRedisSentinel } from './redis-sentinel.ts';
export { startRedis } from './redis-server.ts';

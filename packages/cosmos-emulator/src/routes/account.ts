import type { RouteTable } from './route-context.ts';

/** `GET /`: the account, which tells clients to go on using the address that they came by. */
export const accountRoutes: RouteTable = {
  'account.read': ({ request, consistency }) => {
    const locations = [{ name: 'South Central US', databaseAccountEndpoint: `${request.origin}/` }];
    return {
      body: {
        _self: '',
        // Not "localhost": the SDK ignores the locations of an account of that name, and reads it before every request.
        id: 'cosmos-emulator',
        _rid: 'cosmos-emulator.invalid',
        media: '//media/',
        addresses: '//addresses/',
        _dbs: '//dbs/',
        writableLocations: locations,
        readableLocations: locations,
        enableMultipleWriteLocations: false,
        userReplicationPolicy: { asyncReplication: false, minReplicaSetSize: 1, maxReplicasetSize: 4 },
        userConsistencyPolicy: { defaultConsistencyLevel: consistency },
        systemReplicationPolicy: { minReplicaSetSize: 1, maxReplicasetSize: 4 },
        readPolicy: { primaryReadCoefficient: 1, secondaryReadCoefficient: 1 },
        queryEngineConfiguration: JSON.stringify({ maxSqlQueryInputLength: 524_288, sqlAllowTop: true }),
      },
    };
  },
};

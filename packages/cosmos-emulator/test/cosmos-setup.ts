import { type Container, type ContainerRequest, CosmosClient } from '@azure/cosmos';
import { CosmosEmulator, type CosmosEmulatorOptions } from '../src/index.ts';

/** An emulator, a client inside the process, and one container to work in. */
export interface Setup {
  readonly emulator: CosmosEmulator;
  readonly client: CosmosClient;
  readonly container: Container;
}

/** Starts an emulator with a database `db` and a container `items`, by default keyed on `/pk`. */
export async function setUp(
  definition: Partial<ContainerRequest> = {},
  options: CosmosEmulatorOptions = {},
): Promise<Setup> {
  const emulator = new CosmosEmulator(options);
  const client = new CosmosClient(emulator.clientOptions());
  const { database } = await client.databases.createIfNotExists({ id: 'db' });
  const { container } = await database.containers.create({
    id: 'items',
    partitionKey: { paths: ['/pk'], version: 2 },
    ...definition,
  });
  return { emulator, client, container };
}

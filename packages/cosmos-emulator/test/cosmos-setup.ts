import {
  type Container,
  type ContainerRequest,
  CosmosClient,
  PartitionKeyDefinitionVersion,
} from '@azure/cosmos';
import { CosmosEmulator, type CosmosEmulatorOptions } from '../src/index.ts';

/** An emulator, a client inside the process, and one container to work in. */
export interface Setup {
  readonly emulator: CosmosEmulator;
  readonly client: CosmosClient;
  readonly container: Container;
}

/** The partition key of most tests. */
export const onPk = { paths: ['/pk'], version: PartitionKeyDefinitionVersion.V2 };

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
    partitionKey: onPk,
    ...definition,
  });
  return { emulator, client, container };
}

import { type Container, CosmosClient, type Database, PartitionKeyDefinitionVersion } from '@azure/cosmos';
import { compositeIndexesFor } from '@polyphase/cosmos';
import { CosmosEmulator } from '@polyphase/cosmos-emulator';
import { Note } from './virtual-world.ts';

/** A container of notes in an emulator of its own, as a team made it before the SDK came. */
interface NoteContainer {
  readonly client: CosmosClient;
  readonly database: Database;
  readonly container: Container;
}

/** Makes the container of a test; whoever asks for it disposes of the client. */
export async function noteContainer(): Promise<NoteContainer> {
  const client = new CosmosClient(new CosmosEmulator().clientOptions());
  const { database } = await client.databases.create({ id: 'app' });
  const { container } = await database.containers.create({
    id: 'notes',
    partitionKey: { paths: ['/owner'], version: PartitionKeyDefinitionVersion.V2 },
    indexingPolicy: { compositeIndexes: compositeIndexesFor(Note) },
  });
  return { client, database, container };
}

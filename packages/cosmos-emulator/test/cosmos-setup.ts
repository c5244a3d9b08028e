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

/** An answer as it comes over the wire. */
export interface WireResponse {
  readonly status: number;
  readonly headers: { get(name: string): string | undefined };
  readonly bodyAsText?: string | null;
}

/** A client whose every request carries further headers, as other clients send them; `seen` is shown every answer. */
export function clientWith(
  emulator: CosmosEmulator,
  headers: Readonly<Record<string, string>>,
  seen: (response: WireResponse) => void = () => {},
): CosmosClient {
  const options = emulator.clientOptions();
  return new CosmosClient({
    ...options,
    httpClient: {
      async sendRequest(request) {
        for (const [name, value] of Object.entries(headers)) request.headers.set(name, value);
        const response = await options.httpClient.sendRequest(request);
        seen(response);
        return response;
      },
    },
  });
}

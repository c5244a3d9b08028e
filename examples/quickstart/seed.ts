import type { Database } from '@azure/cosmos';
import type { Entity } from '@polyphase/core';
import type { SeedDocument } from './documents.ts';
import { createContainer } from './engines.ts';
import type { Ledger } from './ledger.ts';

const PARALLEL = 64;

/** Fills a container through the raw Cosmos DB client, as another program would have done long before. */
export async function seed(
  database: Database,
  entity: Entity,
  documents: readonly SeedDocument[],
  ledger: Ledger,
): Promise<void> {
  await createContainer(database, entity);
  const { items } = database.container(entity.name);
  const queue = documents.values();
  const worker = async (): Promise<void> => {
    for (const document of queue) {
      await items.create({ ...document.value });
      ledger.acknowledge(entity.name, { partition: [document.partition], id: document.id }, document.value);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
}

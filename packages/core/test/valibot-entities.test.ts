import { contractEntities, repositoryCases } from '@polyphase/core/testing';
import { expect, test } from 'vitest';
import { memoryDocumentStore } from '../src/memory/index.ts';
import * as zodEntities from '../src/testing/entities.ts';
import * as valibotEntities from './valibot-entities.ts';

test('the suites of this project run with schemas of Valibot', () => {
  expect(contractEntities).toBe(valibotEntities.contractEntities);
  expect(repositoryCases.length).toBeGreaterThan(0);
});

test('these have the fields of those with zod, and a store takes one for the other', async () => {
  for (const [i, entity] of zodEntities.contractEntities.entries()) {
    expect(contractEntities[i]).toMatchObject({ name: entity.name, key: entity.key, fields: entity.fields });
  }
  await memoryDocumentStore().prepare(contractEntities);
});

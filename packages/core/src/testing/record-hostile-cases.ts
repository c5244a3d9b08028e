import { keyOfValue } from '../entity.ts';
import type { JsonObject } from '../json.ts';
import { keyText, MAX_ID_BYTES, type PartitionLevel } from '../key.ts';
import { planQuery } from '../query-plan.ts';
import type { RecordHost } from '../store.ts';
import { equal, ok, present } from './assert.ts';
import type { ContractCase } from './contract.ts';
import { Reading, Setting, Task, task } from './entities.ts';
import { put, remove, write } from './intents.ts';

type Case = ContractCase<Pick<RecordHost, 'records'>>;

const IDS = [
  "o'neil",
  '"quoted"',
  "'; drop table contract_tasks; --",
  '$1',
  '%_[a-z]',
  '__proto__',
  'constructor',
  '{}',
  '[1]',
  'null',
  ' leading',
  'tab\there',
  'line\nbreak',
  '\u00e9',
  'e\u0301',
  'Ünï©ødé',
  '日本語',
  '🦜',
  '\uffff',
  '\u202eright to left',
  'A',
  'a',
  'x'.repeat(MAX_ID_BYTES),
  '🦜'.repeat(255),
];

// JSON.parse, since an object literal would set the prototype.
const VALUES: readonly JsonObject[] = [
  '{"__proto__":{"polluted":true},"constructor":"x","toString":null,"hasOwnProperty":[]}',
  '{"":"empty name"," ":1,"a.b":{"c.d":1},"$where":"1","a\\"b":true,"select":"from","_h_":1}',
  '{"title":"\'; drop table contract_tasks; --","text":"back\\\\slash \\u0001 \\u007f \\u2028"}',
  '{"text":"🦜 \\uffff \\u00e9 e\\u0301 \\u202e"}',
  '{"big":1e308,"small":5e-324,"int":9007199254740991,"past":9007199254740993,"pi":3.141592653589793,"neg":-0.1}',
  '{"rank":1e21,"third":0.1,"zero":0,"nothing":null,"yes":true}',
  '{"list":[[],[[]],{},[null,1,"1",true,{"a":[1]}]],"object":{}}',
  '{"10":"ten","9":"nine","a":"z","Z":"a"}',
].map((text) => JSON.parse(text) as JsonObject);

function nested(depth: number): JsonObject {
  let value: JsonObject = { end: true };
  for (let i = 0; i < depth; i += 1) value = { in: value };
  return value;
}

/** Keys and values that a store must take as they are. */
export const recordHostileCases: readonly Case[] = [
  {
    name: 'every id that checkKey lets through is a key of its own',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      for (const [i, id] of IDS.entries()) await write(records, put('create', Task, task(id, { rank: i })));
      for (const [i, id] of IDS.entries()) {
        const stored = present(await records.read({ partition: ['t1'], id }), `id number ${i}`);
        equal([stored.key.id, stored.value], [id, task(id, { rank: i })], `id number ${i}`);
      }
      equal(await records.count(), IDS.length, 'count');
      const many = await records.readMany(IDS.map((id) => ({ partition: ['t1'], id })));
      equal(
        many.map((it) => it?.key.id ?? null),
        IDS,
        'readMany',
      );
      const { plan } = planQuery(Task, { where: { id: "'; drop table contract_tasks; --" } });
      equal(
        (await records.query(plan)).map((it) => it.key.id),
        ["'; drop table contract_tasks; --"],
        'query',
      );
    },
  },
  {
    name: 'hostile values come back unchanged',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      for (const [i, fields] of [...VALUES, nested(90)].entries()) {
        const id = `v${i}`;
        const value = JSON.parse(JSON.stringify({ ...fields, id, tenantId: 't1' })) as JsonObject;
        if (Object.hasOwn(fields, '__proto__'))
          Object.defineProperty(value, '__proto__', { value: { polluted: true }, enumerable: true });
        const { record } = await write(records, put('create', Task, value));
        const stored = present(await records.read({ partition: ['t1'], id }), `value ${i}`);
        equal(stored.value, value, `value ${i}`);
        equal(stored.digest, record.digest, `digest ${i}`);
      }
    },
  },
  {
    name: 'a large value comes back unchanged',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Task);
      const value = task('large', { text: 'x🦜'.repeat(150_000) });
      await write(records, put('create', Task, value));
      const stored = present(await records.read({ partition: ['t1'], id: 'large' }), 'record');
      ok(stored.value?.['text'] === value['text'], 'the text is the same');
    },
  },
  {
    name: 'partition values of every type are partitions of their own',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Setting);
      const scopes = [null, true, false, 0, 1, -1.5, 1e21, '', '1', 'null', 'true', "o'neil", '[]', '🦜'];
      for (const [i, scope] of scopes.entries())
        await write(records, put('create', Setting, { id: 'same', scope, value: i }));
      for (const [i, scope] of scopes.entries()) {
        const stored = present(await records.read({ partition: [scope], id: 'same' }), `scope ${i}`);
        equal([stored.key.partition, stored.value?.['value']], [[scope], i], `scope ${i}`);
      }
      equal(await records.count(), scopes.length, 'count');
      await write(records, remove({ partition: [1], id: 'same' }));
      ok((await records.read({ partition: ['1'], id: 'same' }))?.value !== undefined, '"1" is not 1');
    },
  },
  {
    name: 'hierarchical partitions are told apart level by level',
    requires: [],
    run: async ({ store }) => {
      const records = store.records(Reading);
      const levels: readonly (readonly [string, string, number])[] = [
        ['a', 'b', 1],
        ['a', 'b', 2],
        ['a', 'c', 1],
        ['b', 'b', 1],
        ['a"', 'b', 1],
        ['a","b', 'b', 1],
        ['', '', 0],
      ];
      for (const [i, [site, line, year]] of levels.entries())
        await write(records, put('create', Reading, { id: 'r', site, sensor: { line }, year, value: i }));
      for (const [i, partition] of levels.entries()) {
        const key: { readonly partition: readonly PartitionLevel[]; readonly id: string } = {
          partition,
          id: 'r',
        };
        const stored = present(await records.read(key), `partition ${i}`);
        equal(stored.value?.['value'], i, `partition ${i}`);
        equal(keyText(keyOfValue(Reading, stored.value ?? {})), keyText(key), `key ${i}`);
      }
      const { plan } = planQuery(Reading, { where: { site: 'a', 'sensor.line': 'b', year: 1 } });
      equal((await records.query(plan)).length, 1, 'one partition');
      const prefix = planQuery(Reading, { where: { site: 'a' } });
      equal((await records.query(prefix.plan)).length, 3, 'first level');
    },
  },
];

import { execFileSync } from 'node:child_process';
import {
  type Container,
  type ErrorResponse,
  type StoredProcedureDefinition,
  type TriggerDefinition,
  TriggerOperation,
  TriggerType,
} from '@azure/cosmos';
import { afterAll, describe, expect, it } from 'vitest';
import type { CosmosEmulatorOptions } from '../src/index.ts';
import { type Setup, setUp } from './cosmos-setup.ts';

const open: AsyncDisposable[] = [];
afterAll(async () => {
  for (const emulator of open) await emulator[Symbol.asyncDispose]();
});

async function start(options?: CosmosEmulatorOptions): Promise<Setup> {
  const setup = await setUp({}, options);
  open.push(setup.emulator);
  return setup;
}

/** Numbers of the processes of scripts that this process has started. */
function scriptProcesses(): string[] {
  const lines = execFileSync('ps', ['-eo', 'ppid=,pid=,args='], { encoding: 'utf8' }).split('\n');
  const found = lines.map((line) => /^\s*(\d+)\s+(\d+)\s.*script-process/.exec(line));
  return found.flatMap((match) => (match?.[1] === String(process.pid) ? [match[2] ?? ''] : []));
}

async function refusal(work: Promise<unknown>): Promise<ErrorResponse> {
  try {
    await work;
  } catch (error) {
    return error as ErrorResponse;
  }
  throw new Error('The request was not refused.');
}

let procedures = 0;

/** Stores a procedure and runs it on the partition key `a`. */
async function run(
  container: Container,
  body: StoredProcedureDefinition['body'],
  ...parameters: unknown[]
): Promise<unknown> {
  const id = `procedure${procedures++}`;
  await container.scripts.storedProcedures.create({ id, body: String(body) });
  return (await container.scripts.storedProcedure(id).execute('a', parameters)).resource;
}

/** Ids of the partition `a`, in order. */
async function ids(container: Container): Promise<string[]> {
  const query = container.items.query<string>('SELECT VALUE c.id FROM c ORDER BY c.id', {
    partitionKey: 'a',
  });
  return (await query.fetchAll()).resources;
}

describe('scripts as resources', () => {
  it('are created, read, listed, queried, replaced and deleted', async () => {
    const { container } = await start();
    const { scripts } = container;
    const created = await scripts.storedProcedures.create({ id: 'one', body: 'function () { return 1; }' });
    expect(created.statusCode).toBe(201);
    expect(created.resource).toMatchObject({
      id: 'one',
      body: 'function () { return 1; }',
      _rid: expect.any(String),
      _self: expect.stringMatching(/^dbs\/.+\/colls\/.+\/sprocs\/.+\/$/),
      _etag: expect.any(String),
      _ts: expect.any(Number),
    });
    await scripts.storedProcedures.create({ id: 'two', body: 'function () {}' });
    expect((await scripts.storedProcedures.readAll().fetchAll()).resources.map(({ id }) => id)).toEqual([
      'one',
      'two',
    ]);
    const query = {
      query: 'SELECT * FROM root r WHERE r.id = @id',
      parameters: [{ name: '@id', value: 'two' }],
    };
    expect((await scripts.storedProcedures.query(query).fetchAll()).resources).toMatchObject([{ id: 'two' }]);
    const one = scripts.storedProcedure('one');
    const replaced = await one.replace({ id: 'one', body: 'function () { return 2; }' });
    expect(replaced.resource).toMatchObject({ body: 'function () { return 2; }' });
    expect(replaced.resource?._rid).toBe(created.resource?._rid);
    expect(replaced.resource?._etag).not.toBe(created.resource?._etag);
    expect((await one.read()).resource?.body).toBe('function () { return 2; }');
    const stale = { type: 'IfMatch', condition: String(created.resource?._etag) };
    expect((await refusal(one.delete({ accessCondition: stale }))).code).toBe(412);
    expect((await one.delete()).statusCode).toBe(204);
    expect((await refusal(one.read())).code).toBe(404);
    expect((await refusal(one.replace({ id: 'one', body: 'function () {}' }))).code).toBe(404);
    expect((await refusal(one.execute('a'))).code).toBe(404);
  });

  it('are triggers with a type and an operation, and functions', async () => {
    const { container } = await start();
    const { triggers, userDefinedFunctions } = container.scripts;
    const trigger = {
      id: 't',
      body: 'serverScript() { var x = 10; }',
      triggerType: TriggerType.Pre,
      triggerOperation: TriggerOperation.All,
    };
    expect((await triggers.create(trigger)).resource).toMatchObject(trigger);
    expect((await triggers.readAll().fetchAll()).resources).toMatchObject([trigger]);
    const update = { ...trigger, triggerOperation: TriggerOperation.Update };
    expect((await container.scripts.trigger('t').replace(update)).resource).toMatchObject(update);
    await container.scripts.trigger('t').delete();
    expect((await triggers.readAll().fetchAll()).resources).toEqual([]);
    await userDefinedFunctions.create({ id: 'f', body: () => 1 });
    expect((await userDefinedFunctions.readAll().fetchAll()).resources).toMatchObject([{ body: '() => 1' }]);
    await container.scripts.userDefinedFunction('f').delete();
    expect((await refusal(container.scripts.userDefinedFunction('f').read())).code).toBe(404);
  });

  it('are refused without what they need, and where their id is taken', async () => {
    const { client, container } = await start();
    const { storedProcedures, triggers, userDefinedFunctions } = container.scripts;
    await storedProcedures.create({ id: 'p', body: 'function () {}' });
    expect((await refusal(storedProcedures.create({ id: 'p', body: 'function () {}' }))).code).toBe(409);
    expect((await refusal(storedProcedures.create({ body: 'function () {}' }))).code).toBe(400);
    expect((await refusal(storedProcedures.create({ id: 'q' }))).code).toBe(400);
    expect((await refusal(userDefinedFunctions.create({ id: 'q', body: '' }))).code).toBe(400);
    const trigger = { id: 't', body: 'function () {}', triggerType: TriggerType.Pre };
    for (const triggerOperation of ['never', undefined]) {
      const wrong = Object.assign({ triggerOperation: TriggerOperation.All }, trigger, { triggerOperation });
      expect((await refusal(triggers.create(wrong as TriggerDefinition))).code).toBe(400);
    }
    const elsewhere = client.database('db').container('none').scripts.storedProcedures;
    expect((await refusal(elsewhere.create({ id: 'p', body: 'function () {}' }))).code).toBe(404);
  });
});

describe('stored procedures', () => {
  it('answer with what they set, from what they are given', async () => {
    const { container } = await start();
    const hello = `function (name, more) { getContext().getResponse().setBody('Hello, ' + name + more.n + typeof none); }`;
    expect(await run(container, hello, 'World', { n: 1 })).toBe('Hello, World1undefined');
    expect(await run(container, 'function () {}')).toBe('');
    const accumulate = `function () {
      for (var i = 0; i < 3; i++) getContext().getResponse().appendValue('Body', i);
      getContext().getResponse().appendBody('!');
    }`;
    expect(await run(container, accumulate)).toBe('012!');
    expect(await run(container, `() => { __.response.setBody({ a: [1, null, 'x'] }); }`)).toEqual({
      a: [1, null, 'x'],
    });
    const outer = `function main() { __.response.setBody(helper()); }\nfunction helper() { return 'helped'; }`;
    expect(await run(container, outer)).toBe('helped');
  });

  it('write, read and query, in the order of their callbacks', async () => {
    const { container } = await start();
    const body = function (): void {
      // @ts-expect-error: a global of the server
      const context = getContext();
      const collection = context.getCollection();
      const seen: unknown[] = [];
      const check = (error: unknown): void => {
        if (error) throw error;
      };
      const link = collection.getSelfLink();
      const accepted = collection.createDocument(
        link,
        { id: '1', pk: 'a', n: 1 },
        (error: unknown, created: { _self: string; n: number }) => {
          check(error);
          created.n = 2;
          collection.replaceDocument(
            created._self,
            created,
            (failed: unknown, replaced: { id: string; n: number }) => {
              check(failed);
              seen.push(replaced.n);
              collection.readDocument(
                `${collection.getAltLink()}/docs/1`,
                {},
                (unread: unknown, read: { n: number }) => {
                  check(unread);
                  seen.push(read.n);
                  collection.upsertDocument(link, { pk: 'a', n: 3 }, () => undefined);
                  collection.queryDocuments(
                    link,
                    {
                      query: 'SELECT VALUE c.n FROM c WHERE c.n >= @n ORDER BY c.n DESC',
                      parameters: [{ name: '@n', value: 2 }],
                    },
                    (_: unknown, feed: unknown[]) => context.getResponse().setBody([accepted, seen, feed]),
                  );
                },
              );
            },
          );
        },
      );
      seen.push('later');
    };
    expect(await run(container, body)).toEqual([true, ['later', 2, 2], [3, 2]]);
    expect(await ids(container)).toHaveLength(2);
  });

  it('give pages, and go on from their continuation', async () => {
    const { container } = await start();
    for (let n = 0; n < 5; n++) await container.items.create({ id: `${n}`, pk: 'a', n });
    await container.items.create({ id: 'other', pk: 'b', n: 9 });
    const body = `function () {
      const pages = [];
      const next = (continuation) => __.queryDocuments(__.getSelfLink(), 'SELECT * FROM c', { pageSize: 2, continuation },
        (error, feed, options) => {
          if (error) throw error;
          pages.push(feed.map((item) => item.n));
          for (const item of feed) __.replaceDocument(item._self, { ...item, seen: true });
          if (options.continuation) next(options.continuation);
          else __.readDocuments(__.getSelfLink(), {}, (_, all) => __.response.setBody([pages, all.filter((item) => item.seen).length]));
        });
      next();
    }`;
    expect(await run(container, body)).toEqual([[[0, 1], [2, 3], [4]], 5]);
  });

  it('query with JavaScript functions', async () => {
    const { container } = await start();
    const names = ['c', 'a', 'b'];
    for (const [n, name] of names.entries()) {
      await container.items.create({
        id: name,
        pk: 'a',
        n,
        tags: [name, [name]],
        kids: [{ k: 1 }, { k: 2 }],
      });
    }
    const ofN = '(item) => item.n';
    const simple = async (call: string): Promise<unknown> =>
      JSON.parse(
        String(
          await run(container, `function () { const r = ${call}; if (!r.isAccepted) throw new Error(); }`),
        ),
      );
    expect(await simple(`__.map(${ofN})`)).toEqual([0, 1, 2]);
    expect(await simple(`__.pluck('id')`)).toEqual(['c', 'a', 'b']);
    expect(
      await simple(`__.chain().filter((item) => item.n > 0).sortByDescending(${ofN}).pluck('id').value()`),
    ).toEqual(['b', 'a']);
    expect(
      await simple(`__.chain().sortBy((item) => item.id).map((item) => item.tags).flatten().value()`),
    ).toEqual(['a', 'a', 'b', 'b', 'c', 'c']);
    expect(
      await simple(
        `__.chain().filter((i) => i.n === 0).unwind((i) => i.kids, (i, kid) => i.id + kid.k).value()`,
      ),
    ).toEqual(['c1', 'c2']);
    const paged = `function () {
      __.filter((item) => item.n < 2, { pageSize: 1 }, (error, feed, options) =>
        __.filter((item) => item.n < 2, { pageSize: 1, continuation: options.continuation }, (_, more, end) =>
          __.response.setBody([feed[0].n, more[0].n, end.continuation === undefined])));
    }`;
    expect(await run(container, paged)).toEqual([0, 1, true]);
    const wrong = await refusal(run(container, `function () { __.chain().map((x) => x, () => {}); }`));
    expect(wrong.message).toContain(
      'the callback parameter can only be provided on the \\"value\\" function',
    );
  });

  it('undo everything when they throw', async () => {
    const { container } = await start();
    await container.items.create({ id: 'kept', pk: 'a' });
    const body = `function () {
      __.createDocument(__.getSelfLink(), { id: '1', pk: 'a' });
      __.deleteDocument(__.getAltLink() + '/docs/kept', () => { throw new Error('on purpose'); });
    }`;
    const error = await refusal(run(container, body));
    expect(error.code).toBe(400);
    expect(error.body?.message).toMatch(
      /^Message: \{"Errors":\["Encountered exception while executing function\. Exception = Error: on purpose\\r\\nStack trace: Error: on purpose\\n {3}at /,
    );
    expect(await ids(container)).toEqual(['kept']);
    const aborted = `async function () {
      __.createDocument(__.getSelfLink(), { id: '1', pk: 'a' });
      try { await null; throw new Error('later'); } catch (error) { getContext().abort(error); }
    }`;
    expect((await refusal(run(container, aborted))).message).toContain('Exception = Error: later');
    expect(await ids(container)).toEqual(['kept']);
  });

  it('give the number of an error as sub-status', async () => {
    const { container } = await start();
    const error = await refusal(run(container, `function () { throw new Error(4321, 'numbered'); }`));
    expect(error).toMatchObject({ code: 400, substatus: 4321 });
    expect(error.message).toContain('Exception = Error: numbered');
    await container.items.create({ id: '1', pk: 'a' });
    const create = `function () { __.createDocument(__.getSelfLink(), { id: '1', pk: 'a' }); }`;
    const taken = await refusal(run(container, create));
    expect(taken).toMatchObject({ code: 400, substatus: 409 });
    expect(taken.message).toContain('Resource with specified id or name already exists.');
  });

  it('learn of a conflict, a missing item, a stale ETag and a foreign partition, and may go on', async () => {
    const { container } = await start();
    await container.items.create({ id: '1', pk: 'a' });
    const body = `function () {
      const numbers = [];
      const note = (error) => { numbers.push([error.number, error instanceof Error, typeof error.body]); };
      const link = __.getAltLink() + '/docs/';
      __.createDocument(__.getSelfLink(), { id: '1', pk: 'a' }, note);
      __.readDocument(link + 'none', note);
      __.replaceDocument(link + '1', { id: '1', pk: 'a' }, { etag: '"stale"' }, note);
      __.createDocument(__.getSelfLink(), { id: '2', pk: 'b' }, note);
      __.queryDocuments(__.getSelfLink(), 'SELEC', (error) => { note(error); __.response.setBody(numbers); });
    }`;
    expect(await run(container, body)).toEqual([409, 404, 412, 400, 400].map((n) => [n, true, 'string']));
    const foreign = `function () { __.createDocument(__.getSelfLink(), { id: '2', pk: 'b' }); }`;
    expect((await refusal(run(container, foreign))).message).toContain(
      'cannot reference partition keys other than the one',
    );
    const wrongLink = `function () { __.createDocument('dbs/x/colls/y', { id: '2', pk: 'a' }); }`;
    expect((await refusal(run(container, wrongLink))).message).toContain('belongs to current collection');
  });

  it('may read under an ETag, and delete by link', async () => {
    const { container } = await start();
    const { resource } = await container.items.create({ id: '1', pk: 'a' });
    const body = `function (self, etag) {
      __.readDocument(self, { ifNoneMatch: etag }, (error, item, options) =>
        __.deleteDocument(self, { etag }, (failed, about) =>
          __.response.setBody([item === undefined, options.notModified, failed === undefined, about.statusCode])));
    }`;
    expect(await run(container, body, resource?._self, resource?._etag)).toEqual([true, true, true, 204]);
    expect(await ids(container)).toEqual([]);
  });

  it('wait for their promises', async () => {
    const { container } = await start();
    const body = `async function () {
      const create = (id) => new Promise((resolve, reject) => {
        if (!__.createDocument(__.getSelfLink(), { id, pk: 'a' }, (error, item) => error ? reject(error) : resolve(item))) {
          reject(new Error('not accepted'));
        }
      });
      const first = await create('1');
      const [second, third] = await Promise.all([create('2'), create('3')]);
      const failed = await create('1').catch((error) => error.number);
      __.response.setBody([first.id, second.id, third.id, failed]);
    }`;
    expect(await run(container, body)).toEqual(['1', '2', '3', 409]);
    expect(await ids(container)).toEqual(['1', '2', '3']);
    // The service does not look at promises that nobody waits for.
    expect(await run(container, `async function () { throw new Error('unseen'); }`)).toBe('');
    expect(await run(container, `function () { __.response.setBody('still there'); }`)).toBe('still there');
  });

  it('log when the request asks for it', async () => {
    const { container } = await start();
    const { scripts } = container;
    const body = `function () { console.log('a ü %s %%', 1); console.log('b'); }`;
    await scripts.storedProcedures.create({ id: 'log', body });
    const name = 'x-ms-documentdb-script-log-results';
    const logged = await scripts.storedProcedure('log').execute('a', [], { enableScriptLogging: true });
    expect(decodeURIComponent(String(logged.headers[name]))).toBe('a ü 1 %b');
    expect((await scripts.storedProcedure('log').execute('a')).headers[name]).toBeUndefined();
    await scripts.storedProcedures.create({
      id: 'fail',
      body: `function () { console.log('why'); throw 1; }`,
    });
    const failed = await refusal(
      scripts.storedProcedure('fail').execute('a', [], { enableScriptLogging: true }),
    );
    expect(failed.headers?.[name]).toBe('why');
  });

  it('need a whole partition key and an array', async () => {
    const { container } = await start();
    const { scripts } = container;
    await scripts.storedProcedures.create({
      id: 'key',
      body: `function () {
      __.createDocument(__.getSelfLink(), { id: 'none' }, (error, item) => __.response.setBody(item.id));
    }`,
    });
    expect((await scripts.storedProcedure('key').execute({})).resource).toBe('none');
    expect((await container.item('none', undefined).read()).statusCode).toBe(200);
    expect((await refusal(scripts.storedProcedure('key').execute('a'))).code).toBe(400);
  });

  it('see no globals but their own', async () => {
    const { container } = await start();
    const body = `function () {
      __.response.setBody([typeof process, typeof require, typeof setTimeout, typeof fetch,
        this.constructor.constructor('return typeof process')()]);
    }`;
    expect(new Set((await run(container, body)) as string[])).toEqual(new Set(['undefined']));
  });

  it('fail where they are no JavaScript, no function, or their answer is no JSON', async () => {
    const { container } = await start();
    const syntax = await refusal(run(container, 'function () { this is; }'));
    expect(syntax).toMatchObject({ code: 400, substatus: 0xffff });
    expect(syntax.message).toContain(
      'Encountered exception while compiling Javascript. Exception = SyntaxError:',
    );
    expect((await refusal(run(container, '42'))).code).toBe(400);
    const circular = `function () { const a = {}; a.a = a; __.response.setBody({}); __.response.setBody([a]); }`;
    expect((await refusal(run(container, circular))).message).toContain('circular structure');
    expect((await refusal(run(container, 'function () { __.response.setBody([1n]); }'))).message).toContain(
      'BigInt',
    );
    expect(await run(container, 'function () { __.response.setBody(() => 1); }')).toBe('');
    expect((await refusal(run(container, 'function () { throw null; }'))).message).toContain(
      'Exception = null',
    );
    const unreadable = 'function () { throw { toString() { throw 1; } }; }';
    expect((await refusal(run(container, unreadable))).code).toBe(400);
  });

  it('may answer with much, but not with too much', async () => {
    const { container } = await start();
    const much = `function (n) { __.response.setBody('x'.repeat(n)); }`;
    expect(await run(container, much, 3_000_000)).toHaveLength(3_000_000);
    expect(await refusal(run(container, much, 5_000_000))).toMatchObject({ code: 400, substatus: 413 });
    const grown = `function () { const a = []; __.response.setBody(a); a.push('x'.repeat(5000000)); }`;
    expect(await refusal(run(container, grown))).toMatchObject({ code: 400, substatus: 413 });
    const large = `function () { __.createDocument(__.getSelfLink(), { id: '1', pk: 'a', x: 'x'.repeat(2200000) }); }`;
    expect(await refusal(run(container, large))).toMatchObject({ code: 400, substatus: 413 });
  });

  it('are not accepted any more when their time is nearly over, and may end in order', async () => {
    const { container } = await start({ scriptTimeoutMs: 1000 });
    const body = `function () {
      let count = 0;
      const next = () => {
        const accepted = __.upsertDocument(__.getSelfLink(), { id: String(count % 10), pk: 'a' }, (error) => {
          if (error) throw error;
          count++;
          next();
        });
        if (!accepted) __.response.setBody(count);
      };
      next();
    }`;
    expect(await run(container, body)).toBeGreaterThan(0);
    expect((await ids(container)).length).toBeGreaterThan(0);
  });
});

describe('a script that runs away', () => {
  it.each([
    ['loops', 'function () { __.createDocument(__.getSelfLink(), { pk: "a" }); while (true); }', 408],
    ['loops in promises', 'function () { const go = () => Promise.resolve().then(go); go(); }', 408],
    ['loops in a regular expression', 'function () { /(a+)+b/.test("a".repeat(60)); }', 408],
    ['collects without end', 'function () { const a = []; for (;;) a.push({ x: new Array(1000) }); }', 403],
    ['calls itself without end', 'function f() { f(); }', 400],
  ])('%s is ended, and the next one runs', async (_what, body, status) => {
    const { container } = await start({ scriptTimeoutMs: status === 403 ? 20_000 : 300 });
    expect((await refusal(run(container, body))).code).toBe(status);
    expect(await ids(container)).toEqual([]);
    expect(await run(container, 'function () { __.response.setBody(1); }')).toBe(1);
  });

  it('is ended in a trigger, and the operation does not happen', async () => {
    const { container } = await start({ scriptTimeoutMs: 300 });
    await container.scripts.triggers.create({
      id: 'loop',
      body: 'function () { while (true); }',
      triggerType: TriggerType.Post,
      triggerOperation: TriggerOperation.All,
    });
    const create = container.items.create({ id: '1', pk: 'a' }, { postTriggerInclude: ['loop'] });
    expect((await refusal(create)).code).toBe(408);
    expect((await container.item('1', 'a').read()).statusCode).toBe(404);
  });

  it('is ended in a function, also one that a stored procedure queries with', async () => {
    const { container } = await start({ scriptTimeoutMs: 300 });
    await container.items.create({ id: '1', pk: 'a' });
    await container.scripts.userDefinedFunctions.create({
      id: 'loop',
      body: 'function () { while (true); }',
    });
    const query = container.items.query('SELECT VALUE udf.loop(c.id) FROM c');
    expect((await refusal(query.fetchAll())).code).toBe(408);
    const body = `function () { __.queryDocuments(__.getSelfLink(), 'SELECT VALUE udf.loop(c.id) FROM c', () => {}); }`;
    expect((await refusal(run(container, body))).code).toBe(408);
    expect(await ids(container)).toEqual(['1']);
  });

  it('is a mistake of options when its time makes no sense', async () => {
    await expect(setUp({}, { scriptTimeoutMs: 0 })).rejects.toThrow(RangeError);
  });
});

describe('triggers', () => {
  async function withTriggers(): Promise<Container> {
    const { container } = await start();
    const { triggers } = container.scripts;
    const create = (id: string, body: string, kind: [TriggerType, TriggerOperation]): Promise<unknown> =>
      triggers.create({ id, body, triggerType: kind[0], triggerOperation: kind[1] });
    const { Pre, Post } = TriggerType;
    const { All, Create, Delete } = TriggerOperation;
    await create(
      'stamp',
      `function () {
        const request = getContext().getRequest();
        const item = request.getBody();
        item.stamps = (item.stamps || []).concat(request.getOperationType());
        request.setBody(item);
      }`,
      [Pre, All],
    );
    await create(
      'count',
      `function () {
        const collection = getContext().getCollection();
        const item = getContext().getResponse().getBody();
        if (getContext().getRequest().getBody().id !== item.id) throw new Error('another item');
        collection.upsertDocument(collection.getSelfLink(), { id: 'last', pk: 'a', of: item.id });
      }`,
      [Post, All],
    );
    await create('answer', `function () { getContext().getResponse().setBody({ id: 'answered' }); }`, [
      Post,
      Create,
    ]);
    await create('refuse', `function () { throw new Error(1234, 'refused'); }`, [Pre, Create]);
    await create('refuseAfter', `function () { throw new Error('refused after'); }`, [Post, All]);
    await create(
      'onDelete',
      `function () { if (getContext().getRequest().getOperationType() !== 'Delete') throw 1; }`,
      [Post, Delete],
    );
    return container;
  }

  it('before an operation change what is written', async () => {
    const container = await withTriggers();
    const options = { preTriggerInclude: ['stamp', 'stamp'] };
    const { resource } = await container.items.create({ id: '1', pk: 'a' }, options);
    expect(resource).toMatchObject({ stamps: ['Create', 'Create'] });
    const replaced = await container
      .item('1', 'a')
      .replace({ id: '1', pk: 'a' }, { preTriggerInclude: ['stamp'] });
    expect(replaced.resource).toMatchObject({ stamps: ['Replace'] });
    const upserted = await container.items.upsert({ id: '1', pk: 'a' }, { preTriggerInclude: ['stamp'] });
    expect(upserted.resource).toMatchObject({ stamps: ['Upsert'] });
    expect((await container.item('1', 'a').read()).resource).toMatchObject({ stamps: ['Upsert'] });
  });

  it('after an operation see its result, write in its transaction and may change the answer', async () => {
    const container = await withTriggers();
    const created = await container.items.create(
      { id: '1', pk: 'a' },
      { postTriggerInclude: ['count', 'answer'] },
    );
    expect(created.resource).toEqual({ id: 'answered' });
    expect((await container.item('last', 'a').read()).resource).toMatchObject({ of: '1' });
    expect((await container.item('1', 'a').delete({ postTriggerInclude: ['onDelete'] })).statusCode).toBe(
      204,
    );
    expect(await ids(container)).toEqual(['last']);
  });

  it('refuse an operation by throwing', async () => {
    const container = await withTriggers();
    const before = await refusal(
      container.items.create({ id: '1', pk: 'a' }, { preTriggerInclude: ['refuse'] }),
    );
    expect(before).toMatchObject({ code: 400, substatus: 1234 });
    expect(before.message).toContain('Exception = Error: refused');
    const options = { postTriggerInclude: ['count', 'refuseAfter'] };
    expect((await refusal(container.items.create({ id: '1', pk: 'a' }, options))).code).toBe(400);
    expect(await ids(container)).toEqual([]);
  });

  it.each([
    ['is not there', { preTriggerInclude: ['none'] }],
    ['comes after, where one before is named', { preTriggerInclude: ['count'] }],
    ['comes before, where one after is named', { postTriggerInclude: ['stamp'] }],
    ['is for another operation', { postTriggerInclude: ['onDelete'] }],
  ])('are refused when one %s', async (_what, options) => {
    const container = await withTriggers();
    const refused = await refusal(container.items.create({ id: '1', pk: 'a' }, options));
    expect(refused.code).toBe(400);
    expect(refused.message).toContain("The trigger '");
    expect(await ids(container)).toEqual([]);
  });
});

describe('user-defined functions', () => {
  it('compute in every part of a query', async () => {
    const { container } = await start();
    const { userDefinedFunctions } = container.scripts;
    await userDefinedFunctions.create({ id: 'twice', body: 'function (x) { return x * 2; }' });
    await userDefinedFunctions.create({
      id: 'what',
      body: 'function (x) { return x === undefined ? "none" : x; }',
    });
    await userDefinedFunctions.create({ id: 'nothing', body: 'function () {}' });
    for (const n of [3, 1, 2]) await container.items.create({ id: `${n}`, pk: 'a', n, o: { list: [n] } });
    const all = async (query: string): Promise<unknown[]> =>
      (await container.items.query(query, { partitionKey: 'a' }).fetchAll()).resources;
    expect(await all('SELECT VALUE udf.twice(c.n) FROM c WHERE udf.twice(c.n) > 2')).toEqual([6, 4]);
    expect(await all('SELECT VALUE udf.what(c.o).list FROM c WHERE c.n = 1')).toEqual([[1]]);
    expect(await all('SELECT VALUE udf.what(c.missing) FROM c WHERE c.n = 1')).toEqual(['none']);
    expect(await all('SELECT udf.nothing() AS x, c.n FROM c WHERE c.n = 1')).toEqual([{ n: 1 }]);
    expect(await all('SELECT VALUE SUM(udf.twice(c.n)) FROM c')).toEqual([12]);
    expect(await all('SELECT VALUE udf.twice("no number") FROM c WHERE c.n = 1')).toEqual([]);
  });

  it('keep their globals for one run of a query, apart from each other', async () => {
    const { container } = await start();
    const count = 'function () { return globalThis.count = (globalThis.count || 0) + 1; }';
    await container.scripts.userDefinedFunctions.create({ id: 'one', body: count });
    await container.scripts.userDefinedFunctions.create({ id: 'two', body: count });
    await container.items.create({ id: '1', pk: 'a' });
    await container.items.create({ id: '2', pk: 'a' });
    const query = 'SELECT VALUE [udf.one(), udf.one(), udf.two()] FROM c';
    for (const _ of ['first', 'second']) {
      const { resources } = await container.items.query(query).fetchAll();
      expect(resources).toEqual([
        [1, 2, 1],
        [3, 4, 2],
      ]);
    }
  });

  it('are refused when they are not there, throw, or are no JavaScript', async () => {
    const { container } = await start();
    const { userDefinedFunctions } = container.scripts;
    await userDefinedFunctions.create({ id: 'thrower', body: 'function () { throw new Error("thrown"); }' });
    await userDefinedFunctions.create({ id: 'broken', body: 'function ( {' });
    await userDefinedFunctions.create({ id: 'context', body: 'function () { return typeof getContext; }' });
    await container.items.create({ id: '1', pk: 'a' });
    const ask = (name: string): Promise<{ resources: unknown[] }> =>
      container.items.query(`SELECT VALUE udf.${name}() FROM c`, { partitionKey: 'a' }).fetchAll();
    expect(await refusal(ask('absent'))).toMatchObject({ code: 400 });
    const thrown = await refusal(ask('thrower'));
    expect(thrown.code).toBe(400);
    expect(thrown.message).toContain('Exception = Error: thrown');
    expect((await refusal(ask('broken'))).message).toContain('SyntaxError');
    expect((await ask('context')).resources).toEqual(['undefined']);
  });

  it('serve the queries of stored procedures', async () => {
    const { container } = await start();
    await container.scripts.userDefinedFunctions.create({
      id: 'twice',
      body: 'function (x) { return x * 2; }',
    });
    await container.items.create({ id: '1', pk: 'a', n: 4 });
    const body = `function () {
      __.queryDocuments(__.getSelfLink(), 'SELECT VALUE udf.twice(c.n) FROM c', (error, feed) => __.response.setBody(feed));
    }`;
    expect(await run(container, body)).toEqual([8]);
  });
});

describe('the process of scripts', () => {
  it('ends with the emulator, and starts again for a further script', async () => {
    const { emulator, container } = await start();
    const body = 'function () { __.response.setBody(1); }';
    const before = scriptProcesses();
    expect(await run(container, body)).toBe(1);
    const [own, ...others] = scriptProcesses().filter((pid) => !before.includes(pid));
    expect([own, others]).toEqual([expect.any(String), []]);
    await emulator.close();
    await emulator.close();
    await expect.poll(scriptProcesses).not.toContain(own);
    expect(await run(container, body)).toBe(1);
  });
});

import {
  backoffMs,
  type CallOptions,
  isJsonObject,
  type JsonObject,
  type Permit,
  type PermitStore,
  type ProjectOptions,
  StoreError,
  systemClock,
  TransactionConflictError,
  type WriteLease,
} from '@polyphase/core';
import type { CosmosContainer, PutOutcome } from './cosmos-container.ts';
import { STAMP_FIELD } from './cosmos-document.ts';
import { reservedCall, reservedDocument, reservedId } from './reserved-document.ts';

const ATTEMPTS = 20;
const PERMIT = `/${STAMP_FIELD}/permit`;
const at = (name: string): string => `c["${STAMP_FIELD}"]["permit"]["${name}"]`;

/**
 * Permits as documents, each in the container that its group is named for.
 *
 * Every change is a patch with a condition, so that the heartbeats of many members never refuse a coordinator's write, as they would
 * by changing the ETag. [service]
 */
export class CosmosPermitStore implements PermitStore {
  readonly #containerOf: (group: string) => CosmosContainer;

  constructor(options: { readonly containerOf: (group: string) => CosmosContainer }) {
    this.#containerOf = options.containerOf;
  }

  async read(group: string, options: CallOptions = {}): Promise<Permit | undefined> {
    const items = this.#containerOf(group);
    const { document } = await items.read(await this.#call(group, options));
    return document ? permitOf(document, group) : undefined;
  }

  async create(group: string, permit: Permit, options: CallOptions = {}): Promise<Permit> {
    return this.#until(group, options, async () => {
      const outcome = await this.#put(group, permit, options);
      if (outcome.kind === 'written') return permit;
      return this.read(group, options);
    });
  }

  async project(group: string, permit: Permit, { over, ...options }: ProjectOptions): Promise<Permit> {
    return this.#until(group, options, async () => {
      const outcome =
        over === undefined
          ? await this.#put(group, permit, options)
          : await this.#patch(group, { permit, over }, options);
      if (outcome.kind === 'written') return permit;
      if (outcome.kind === 'lost') return undefined;
      const there = await this.read(group, options);
      // A replica that lags behind what refused the write tells nothing.
      return there?.epoch === over ? undefined : there;
    });
  }

  async drained(group: string, epoch: number, drainMs: number, options: CallOptions = {}): Promise<void> {
    await this.#until(group, options, async () => {
      const items = this.#containerOf(group);
      const outcome = await items.patch(
        {
          operations: [{ op: 'set', path: `${PERMIT}/drainMs`, value: whole(drainMs) }],
          condition: `FROM c WHERE ${at('epoch')} = ${whole(epoch)}`,
        },
        await this.#call(group, options),
      );
      return outcome.kind === 'lost' ? undefined : true;
    });
  }

  async renew(group: string, holder: string, options: CallOptions = {}): Promise<WriteLease | undefined> {
    const items = this.#containerOf(group);
    // A write, so that the condition is checked where writes are ordered; what it writes is only who asked last.
    const outcome = await items.patch(
      {
        operations: [{ op: 'set', path: `/${STAMP_FIELD}/holder`, value: holder }],
        condition: `FROM c WHERE ${at('open')} = true`,
      },
      await this.#call(group, options),
    );
    if (outcome.kind === 'refused') return undefined;
    // A lease that nobody was told of is held by nobody: the caller just has none.
    if (outcome.kind === 'lost') throw outcome.error;
    if (!outcome.document)
      throw new StoreError({
        message:
          'Cosmos DB answered a patch without the document; the client must not turn off content in responses',
        operation: 'renew',
        entity: group,
      });
    const { opening, term, leaseMs, tombstones } = permitOf(outcome.document, group);
    return { opening, term, leaseMs, tombstones };
  }

  // Repeats until there is an answer. Each step is a condition on the permit's epoch, so repeating is safe whatever became of the last.
  async #until<Result>(
    group: string,
    { signal }: CallOptions,
    step: () => Promise<Result | undefined>,
  ): Promise<Result> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const result = await step();
      if (result !== undefined) return result;
      await systemClock.sleep(backoffMs(attempt, { baseMs: 5, maxMs: 500, random: Math.random }), signal);
    }
    throw new TransactionConflictError({
      message: `The permit could not be written in ${ATTEMPTS} attempts; try again`,
      operation: 'permit',
      entity: group,
    });
  }

  async #call(group: string, { signal }: CallOptions): Promise<ReturnType<typeof reservedCall>> {
    const info = await this.#containerOf(group).info({ signal });
    return reservedCall(info, reservedId('permit', group), { operation: 'permit', signal });
  }

  async #put(group: string, permit: Permit, options: CallOptions): Promise<PutOutcome> {
    const items = this.#containerOf(group);
    const document = reservedDocument(await items.info(options), {
      kind: 'permit',
      id: reservedId('permit', group),
      content: { permit: plain(permit) },
    });
    return items.put(document, undefined, await this.#call(group, options));
  }

  async #patch(
    group: string,
    { permit, over }: { readonly permit: Permit; readonly over: number },
    options: CallOptions,
  ): Promise<PutOutcome> {
    const condition = `FROM c WHERE ${at('epoch')} = ${whole(over)}`;
    return this.#containerOf(group).patch(
      { operations: [{ op: 'set', path: PERMIT, value: plain(permit) }], condition },
      await this.#call(group, options),
    );
  }
}

// A patch condition takes no parameters: only whole numbers, checked here, are ever written into one.
function whole(number: number): number {
  if (Number.isSafeInteger(number) && number >= 0) return number;
  throw new StoreError({ message: 'A permit holds whole numbers only', operation: 'permit' });
}

function plain({ epoch, open, opening, term, leaseMs, drainMs, tombstones }: Permit): JsonObject {
  return {
    epoch: whole(epoch),
    open,
    opening: whole(opening),
    term: whole(term),
    leaseMs: whole(leaseMs),
    drainMs: whole(drainMs),
    tombstones,
  };
}

function permitOf(document: JsonObject, group: string): Permit {
  const stamp = document[STAMP_FIELD];
  const permit = isJsonObject(stamp) ? stamp['permit'] : undefined;
  if (isJsonObject(permit)) {
    const { epoch, open, opening, term, leaseMs, drainMs, tombstones } = permit;
    if (
      typeof epoch === 'number' &&
      typeof open === 'boolean' &&
      typeof opening === 'number' &&
      typeof term === 'number' &&
      typeof leaseMs === 'number' &&
      typeof drainMs === 'number' &&
      typeof tombstones === 'boolean'
    )
      return { epoch, open, opening, term, leaseMs, drainMs, tombstones };
  }
  throw new StoreError({
    message: 'The permit document was changed by another program; restore it from the control row',
    operation: 'permit',
    entity: group,
  });
}

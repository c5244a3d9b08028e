import {
  type AdvanceOptions,
  type CallOptions,
  type ControlChange,
  type ControlRow,
  type ControlStep,
  type ControlStore,
  InvalidOptionsError,
  NotFoundError,
  StoreError,
  type Wish,
} from '@polyphase/core';
import type { Connections, UseOptions } from './connections.ts';
import { advanceControl } from './sql/advance-control.ts';
import { createControl } from './sql/create-control.ts';
import { readControl } from './sql/read-control.ts';
import { ownGroup } from './sql/share-group.ts';
import { submitWish } from './sql/submit-wish.ts';
import { BEGIN, COMMIT, committed } from './transaction.ts';

/** The control rows of all groups, in `polyphase.control`. */
export class PostgresControlStore implements ControlStore {
  readonly #connections: Connections;

  constructor(options: { readonly connections: Connections }) {
    this.#connections = options.connections;
  }

  async read(group: string, options?: CallOptions): Promise<ControlRow | undefined> {
    const [result] = await this.#connections.run([readControl.bind(group)], place('read', group, options));
    return readControl.rows(result)[0];
  }

  async create(row: ControlRow, options?: CallOptions): Promise<ControlRow> {
    // Nobody removes a control row, so that after the insert there is one.
    const answers = await this.#connections.run(
      [createControl.bind(row), readControl.bind(row.group)],
      place('create', row.group, options),
    );
    return readControl.rows(answers[1])[0] ?? row;
  }

  async advance(
    group: string,
    epoch: number,
    change: ControlChange,
    options: AdvanceOptions = {},
  ): Promise<ControlRow | undefined> {
    const whenMended = options.whenMended === true;
    const bound = advanceControl.bind({ group, epoch, ...change, whenMended });
    const where = { ...place('advance', group, options), unknownAs: `${group} ${epoch}` };
    if (options.exclusive !== true)
      return advanceControl.rows((await this.#connections.run([bound], where))[0])[0];
    return this.#connections.use(async (session) => {
      session.open = true;
      // The lock must be a statement of its own: the row is then read as the last write in flight left it.
      const answers = await session.run([BEGIN, ownGroup.bind(group), bound, COMMIT]);
      session.open = false;
      if (!committed(answers.at(-1)))
        throw new StoreError({ message: 'The step was rolled back', key: group });
      return advanceControl.rows(answers[2])[0];
    }, where);
  }

  async advanceAll(
    steps: readonly ControlStep[],
    options: AdvanceOptions = {},
  ): Promise<readonly ControlRow[] | undefined> {
    const whenMended = options.whenMended === true;
    // Always in one order, so that two of these never wait for each other.
    const ordered = steps.toSorted((a, b) => (a.group < b.group ? -1 : 1));
    const locks = options.exclusive === true ? ordered.map(({ group }) => ownGroup.bind(group)) : [];
    const moves = ordered.map((step) => advanceControl.bind({ ...step, whenMended }));
    const name = ordered.map(({ group }) => group).join(' ');
    const where = {
      ...place('advance', name, options),
      unknownAs: ordered.map(({ group, epoch }) => `${group} ${epoch}`).join(' '),
    };
    return this.#connections.use(async (session) => {
      session.open = true;
      const answers = await session.run([BEGIN, ...locks, ...moves]);
      const moved = answers.slice(1 + locks.length).flatMap((answer) => advanceControl.rows(answer));
      if (moved.length < steps.length) {
        await session.rollback();
        return undefined;
      }
      const [end] = await session.run([COMMIT]);
      session.open = false;
      if (!committed(end)) throw new StoreError({ message: 'The step was rolled back', key: name });
      return steps.flatMap(({ group }) => moved.find((row) => row.group === group) ?? []);
    }, where);
  }

  async submit(group: string, wish: Wish, options?: CallOptions): Promise<ControlRow> {
    const where = place('submit', group, options);
    const [result] = await this.#connections.run([submitWish.bind({ group, wish })], where);
    const submitted = submitWish.rows(result)[0];
    if (submitted) return submitted;
    const row = await this.read(group, options);
    if (!row)
      throw new NotFoundError({
        message: 'The group has no control row yet',
        operation: 'submit',
        key: group,
      });
    throw new InvalidOptionsError({
      message: `Config revision ${wish.revision} is not above ${row.wish.revision}, which is in force; raise it`,
      operation: 'submit',
      key: group,
    });
  }
}

function place(operation: string, group: string, options: CallOptions | undefined): UseOptions {
  return { operation, key: group, signal: options?.signal };
}

import { InvalidOptionsError, type UnitSql, UnsupportedError } from '@polyphase/core';
import { Kysely } from 'kysely';
import { isSqlUnit } from './sql-unit.ts';
import { transactionKysely } from './transaction-kysely.ts';
import { checkStatement } from './unit-statements.ts';

const refuse = (what: string, instead: string) => (): never => {
  throw new UnsupportedError({ message: `${what} has no place inside a unit of work: ${instead}` });
};
const ENDS = 'the unit begins, commits and rolls back by itself';

// Kysely's own refusals inside a transaction are bare errors.
const REFUSED: ReadonlyMap<string | symbol, () => unknown> = new Map<string | symbol, () => unknown>([
  ['transaction', refuse('kysely.transaction()', ENDS)],
  ['startTransaction', refuse('kysely.startTransaction()', ENDS)],
  ['connection', refuse('kysely.connection()', 'every statement of the unit is on its connection already')],
  ['destroy', async () => refuse('kysely.destroy()', ENDS)()],
  [Symbol.asyncDispose, async () => refuse('await using', ENDS)()],
]);

/**
 * Kysely on the transaction of a unit of work. Costs nothing until its first statement, which joins the unit.
 *
 * A failed statement keeps the unit from committing, as a failed write does; rows are streamed by nobody.
 */
export function unitKysely<Tables>(join: () => Promise<UnitSql>): Kysely<Tables> {
  return refusing(
    transactionKysely<Tables>({
      send: async (text, values, signal) => {
        checkStatement(text);
        const { unit, fencedBy } = await join();
        if (!isSqlUnit(unit))
          throw new InvalidOptionsError({ message: 'The unit of work is not one of a PostgreSQL store' });
        return unit.sql(text, values, { fencedBy, signal });
      },
      stream: refuse('stream()', 'read pages, or use the kysely of the store'),
    }),
  );
}

// Schemas, plugins and tables make a new Kysely, which refuses the same.
function refusing<Instance extends object>(instance: Instance): Instance {
  return new Proxy(instance, {
    get: (target, name) => {
      const refused = REFUSED.get(name);
      if (refused) return refused;
      const member: unknown = Reflect.get(target, name, target);
      // `fn` is a module, and a function itself; the others are methods.
      if (typeof member !== 'function' || name === 'fn') return member;
      return (...given: unknown[]): unknown => {
        const made: unknown = Reflect.apply(member, target, given);
        return made instanceof Kysely ? refusing(made) : made;
      };
    },
  });
}

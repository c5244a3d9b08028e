import { resourceNumber } from '../../storage/resource-id.ts';
import { type FunctionTable, takes } from './function-table.ts';

/** Functions over items as they are stored. */
export const itemFunctions: FunctionTable = {
  DOCUMENTID: takes(['object'], ({ _rid: id }) => (typeof id === 'string' ? resourceNumber(id) : undefined)),
};

import type {
  CollectionAnswer,
  ReadOptions,
  ScriptCallback,
  ScriptCollection,
  Submit,
} from './collection.ts';
import type { MakeError } from './errors.ts';

/** What a query function gives back: whether it was taken up, and in a chain the functions that may follow. */
export interface QueryResponse {
  readonly isAccepted: boolean;
  readonly [name: string]: unknown;
}

/**
 * Makes the JavaScript query functions: `filter`, `map`, `pluck`, `flatten`, `unwind`, `sortBy`, `sortByDescending`,
 * and `chain` … `value`. Runs inside the realm of a script: its text is sent there, so it uses nothing from outside.
 */
export function createQueryFunctions(parts: {
  submit: Submit;
  makeError: MakeError;
  readOptions: ReadOptions;
  /** Takes the results of a query that has no callback. Undefined where there is no response. */
  respond: ((feed: unknown[]) => void) | undefined;
}): ScriptCollection {
  type Stage = (feed: unknown[]) => unknown[];
  type StageMaker = (parameters: unknown[]) => { stage: Stage; taken: number };
  type Selector = (...values: unknown[]) => unknown;
  const { submit, makeError, readOptions, respond } = parts;

  const selector = (value: unknown): Selector => {
    if (typeof value === 'function') return value as Selector;
    throw makeError(400, 'The predicate/transform function must be provided.');
  };
  const ranks = ['undefined', 'null', 'boolean', 'number', 'string', 'object'];
  const rankOf = (value: unknown): number => ranks.indexOf(value === null ? 'null' : typeof value);
  const compare = (left: unknown, right: unknown): number => {
    const order = rankOf(left) - rankOf(right);
    if (order !== 0 || left === right) return order;
    return typeof left === 'object' ? 0 : (left as number) < (right as number) ? -1 : 1;
  };
  const sorted =
    (direction: number): StageMaker =>
    ([by]) => {
      const key = selector(by);
      const stage: Stage = (feed) => {
        const keyed = feed.map((value) => [key(value), value] as const);
        return keyed
          .toSorted((left, right) => direction * compare(left[0], right[0]))
          .map(([, value]) => value);
      };
      return { stage, taken: 1 };
    };

  const makers: Record<string, StageMaker> = {
    filter: ([by]) => {
      const holds = selector(by);
      return { stage: (feed) => feed.filter((value) => holds(value)), taken: 1 };
    },
    map: ([by]) => {
      const project = selector(by);
      return { stage: (feed) => feed.map((value) => project(value)), taken: 1 };
    },
    pluck: ([name]) => {
      if (typeof name !== 'string' || name === '') {
        throw makeError(400, 'The property name must be a string and cannot be empty.');
      }
      return { stage: (feed) => feed.map((value) => (value as Record<string, unknown>)[name]), taken: 1 };
    },
    flatten: ([isShallow]) => ({
      stage: (feed) => feed.flat(isShallow === true ? 1 : Number.POSITIVE_INFINITY),
      taken: typeof isShallow === 'boolean' ? 1 : 0,
    }),
    unwind: ([inner, result]) => {
      const collection = selector(inner);
      // One function more than the selector is a result selector only when it takes a pair.
      const pairs = typeof result === 'function' && result.length >= 2 ? (result as Selector) : undefined;
      const stage: Stage = (feed) =>
        feed.flatMap((outer) => {
          const items = [collection(outer)].flat();
          return pairs === undefined ? items : items.map((item) => pairs(outer, item));
        });
      return { stage, taken: pairs === undefined ? 1 : 2 };
    },
    sortBy: sorted(1),
    sortByDescending: sorted(-1),
  };

  /** Runs the stages over all documents, and gives one page of what comes out. */
  const run = (stages: readonly Stage[], rest: unknown[]): QueryResponse => {
    const { options, callback } = readOptions(rest[0], rest[1]);
    const deliver = callback ?? fallback;
    const isAccepted = submit('all', {}, ({ error, resource }: CollectionAnswer) => {
      if (error !== undefined) {
        return deliver(Object.assign(makeError(error.number, error.body), { body: error.body }));
      }
      let feed = resource as unknown[];
      try {
        for (const stage of stages) feed = stage(feed);
      } catch (thrown) {
        return deliver(thrown);
      }
      const start = Number(options.continuation ?? 0) || 0;
      const end = start + (Number(options.pageSize) > 0 ? Number(options.pageSize) : 100);
      const continuation = end < feed.length ? String(end) : undefined;
      return deliver(undefined, feed.slice(start, end), continuation === undefined ? {} : { continuation });
    });
    return { isAccepted };
  };
  const fallback: ScriptCallback = (error, feed) => {
    if (error !== undefined) throw error;
    if (respond === undefined) {
      throw makeError(
        400,
        'The callback function must be provided for scenarios, such as pre-trigger, when response object is not available.',
      );
    }
    respond(feed as unknown[]);
  };

  const noCallback =
    'When using "chain", the callback parameter can only be provided on the "value" function.';
  const noOptions = 'When using "chain", options can only be provided on the call to the "value" function';
  const chain = (stages: readonly Stage[]): QueryResponse => {
    const link: Record<string, unknown> = {
      isAccepted: true,
      value: (...rest: unknown[]) => run(stages, rest),
    };
    for (const [name, maker] of Object.entries(makers)) {
      link[name] = (...parameters: unknown[]) => {
        const { stage, taken } = maker(parameters);
        const [next] = parameters.slice(taken);
        if (next !== undefined) throw makeError(400, typeof next === 'function' ? noCallback : noOptions);
        return chain([...stages, stage]);
      };
    }
    return link as QueryResponse;
  };

  const functions: ScriptCollection = { chain: () => chain([]) };
  for (const [name, maker] of Object.entries(makers)) {
    functions[name] = (...parameters) => {
      // The collection itself may come first.
      const [first] = parameters;
      const named = typeof first === 'object' && first !== null && 'getSelfLink' in first;
      const given = named || first === undefined ? parameters.slice(1) : parameters;
      const { stage, taken } = maker(given);
      return run([stage], given.slice(taken));
    };
  }
  return functions;
}

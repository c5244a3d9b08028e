import type { MakeError } from './errors.ts';

/** What the emulator answers to an operation on the collection. */
export interface CollectionAnswer {
  readonly error?: { readonly number: number; readonly body: string };
  readonly resource?: unknown;
  readonly options?: Record<string, unknown>;
}

/** Asks for an operation; false when the script's time is nearly over. The answer comes after the code that asked. */
export type Submit = (
  operation: string,
  details: Record<string, unknown>,
  deliver: (answer: CollectionAnswer) => void,
) => boolean;

/** Gets the outcome of an operation. */
export type ScriptCallback = (error?: unknown, resource?: unknown, options?: unknown) => void;

/** The collection object without its query functions. */
export type ScriptCollection = Record<string, (...parameters: unknown[]) => unknown>;

/** Reads the last parameters of an operation: options, or a callback, or both. Throws for what is neither. */
export type ReadOptions = (
  options: unknown,
  callback: unknown,
) => { readonly options: Record<string, unknown>; readonly callback: ScriptCallback | undefined };

/** Makes `ReadOptions`, inside the realm of a script. */
export function createOptionsReader(makeError: MakeError): ReadOptions {
  return (first, second) => {
    if (second !== undefined && typeof second !== 'function') {
      throw makeError(
        400,
        `The "callback" parameter must be of type "function". Actual type is: "${typeof second}".`,
      );
    }
    const callback = (typeof first === 'function' ? first : second) as ScriptCallback | undefined;
    if (first === undefined || first === null || typeof first === 'function')
      return { options: {}, callback };
    if (typeof first === 'object') return { options: first as Record<string, unknown>, callback };
    throw makeError(
      400,
      `The "options" parameter must be of type "object". Actual type is: "${typeof first}".`,
    );
  };
}

/** Makes the collection object, inside the realm of a script: its text is sent there, so it uses nothing from outside. */
export function createCollection(parts: {
  selfLink: string;
  altLink: string;
  submit: Submit;
  makeError: MakeError;
  readOptions: ReadOptions;
}): ScriptCollection {
  const { selfLink, altLink, submit, makeError, readOptions } = parts;
  const { stringify } = JSON;

  const requireParameters = (name: string, wanted: number, given: number): void => {
    if (given >= wanted) return;
    throw makeError(
      400,
      `The function "${name}" requires at least ${wanted} argument(s) but was called with ${given} argument(s).`,
    );
  };
  const refuseLink = (link: unknown, kind: string): never => {
    if (typeof link !== 'string' || !/^dbs\/[^/]+\/colls\/[^/]+/i.test(link)) {
      throw makeError(400, `Invalid ${kind} link: "${String(link)}".`);
    }
    throw makeError(
      400,
      `Function is not allowed to operate on resources outside current collection. Make sure that the link provided, "${link}", belongs to current collection.`,
    );
  };
  const requireCollection = (link: unknown): void => {
    if (link !== selfLink && link !== altLink && link !== `${altLink}/`) refuseLink(link, 'collection');
  };
  /** A document by the resource id or the id at the end of its link. */
  const documentAt = (link: unknown): Record<string, unknown> => {
    const text = String(link);
    const [byRid, byId] = [`${selfLink}docs/`, `${altLink}/docs/`];
    const isRid = text.startsWith(byRid);
    if (typeof link !== 'string' || !(isRid || text.startsWith(byId))) return refuseLink(link, 'document');
    const last = text.slice((isRid ? byRid : byId).length).replace(/\/$/, '');
    if (last === '' || last.includes('/')) throw makeError(400, `Invalid document link: "${link}".`);
    return isRid ? { rid: last } : { id: last };
  };
  const documentText = (body: unknown): string => {
    if (typeof body === 'string') return body;
    if (typeof body === 'object' && body !== null) return stringify(body);
    throw makeError(
      400,
      'The document body must be an object or a string representing a JSON-serialized object.',
    );
  };
  /** Gives the answer to the callback; without one, an error ends the script. */
  const deliverTo = (callback: ScriptCallback | undefined) => (answer: CollectionAnswer) => {
    const { error, resource, options } = answer;
    if (error === undefined) return callback?.(undefined, resource, options);
    const thrown = Object.assign(makeError(error.number, error.body), { body: error.body });
    if (callback === undefined) throw thrown;
    return callback(thrown);
  };
  const feed = (operation: string, query: Record<string, unknown>, rest: unknown[]): boolean => {
    const { options, callback } = readOptions(rest[0], rest[1]);
    const { pageSize, continuation } = options;
    return submit(operation, { ...query, pageSize, continuation }, deliverTo(callback));
  };
  const write = (operation: string, details: Record<string, unknown>, rest: unknown[]): boolean => {
    const { options, callback } = readOptions(rest[0], rest[1]);
    const generateId = options.disableAutomaticIdGeneration !== true;
    return submit(operation, { ...details, etag: options.etag, generateId }, deliverTo(callback));
  };

  return {
    getSelfLink: () => selfLink,
    getAltLink: () => altLink,
    readDocument(...[link, ...rest]) {
      requireParameters('readDocument', 1, arguments.length);
      const { options, callback } = readOptions(rest[0], rest[1]);
      const details = { ...documentAt(link), ifNoneMatch: options.ifNoneMatch };
      return submit('read', details, deliverTo(callback));
    },
    readDocuments(...[link, ...rest]) {
      requireParameters('readDocuments', 1, arguments.length);
      requireCollection(link);
      return feed('list', {}, rest);
    },
    queryDocuments(...[link, query, ...rest]) {
      requireParameters('queryDocuments', 2, arguments.length);
      requireCollection(link);
      if (typeof query === 'string') return feed('query', { query }, rest);
      if (typeof query === 'object') return feed('query', { ...query }, rest);
      throw makeError(
        400,
        `The "filterQuery" parameter must be of type "string" or "object". Actual type is: "${typeof query}".`,
      );
    },
    createDocument(...[link, body, ...rest]) {
      requireParameters('createDocument', 2, arguments.length);
      const text = documentText(body);
      requireCollection(link);
      return write('create', { body: text }, rest);
    },
    upsertDocument(...[link, body, ...rest]) {
      requireParameters('upsertDocument', 2, arguments.length);
      const text = documentText(body);
      requireCollection(link);
      return write('upsert', { body: text }, rest);
    },
    replaceDocument(...[link, body, ...rest]) {
      requireParameters('replaceDocument', 2, arguments.length);
      return write('replace', { ...documentAt(link), body: documentText(body) }, rest);
    },
    deleteDocument(...[link, ...rest]) {
      requireParameters('deleteDocument', 1, arguments.length);
      const { options, callback } = readOptions(rest[0], rest[1]);
      const details = { ...documentAt(link), etag: options.etag };
      // There is no resource to give: the options come in its place.
      return submit('delete', details, ({ error, options: about }) =>
        deliverTo(callback)(error === undefined ? { resource: about } : { error }),
      );
    },
  };
}

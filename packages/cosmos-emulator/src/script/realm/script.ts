import type { ScriptSetting } from '../script-messages.ts';
import type { CollectionAnswer, createCollection, createOptionsReader, Submit } from './collection.ts';
import type { installNumberedErrors, ScriptError } from './errors.ts';
import type { createMessage } from './message.ts';
import type { createQueryFunctions } from './query-functions.ts';

/** The functions that make the server-side API, each in the realm of the script. */
export interface RealmParts {
  readonly installNumberedErrors: typeof installNumberedErrors;
  readonly createMessage: typeof createMessage;
  readonly createOptionsReader: typeof createOptionsReader;
  readonly createCollection: typeof createCollection;
  readonly createQueryFunctions: typeof createQueryFunctions;
}

/** What the process of scripts does with one. None of it may be shown to the script. */
export interface ScriptControl {
  /** Calls the script. Throws what it throws. */
  run(script: unknown, parameters: string): void;
  /** Delivers one answer to the script; false when none is left. Throws what the callback throws. */
  next(): boolean;
  /** The bodies as JSON text. Throws where one cannot be written. */
  finish(): { readonly request: string | undefined; readonly response: string | undefined };
  log(): string;
}

/**
 * Sets up the globals of a stored procedure or a trigger: `getContext`, `__` and `console`. Runs inside the realm of the
 * script: its text is sent there, so it uses nothing from outside itself.
 */
export function startScript(
  parts: RealmParts,
  settingText: string,
  host: (operation: string, details: string) => string | undefined,
): ScriptControl {
  // Taken before the script can change them.
  const { parse, stringify } = JSON;
  const { selfLink, altLink, request, response, logging }: ScriptSetting = parse(settingText);
  const logName = 'x-ms-documentdb-script-log-results';
  const makeError = parts.installNumberedErrors();
  const readOptions = parts.createOptionsReader(makeError);
  const requestMessage = parts.createMessage(request, makeError);
  const responseMessage = response === undefined ? undefined : parts.createMessage(response, makeError);
  const queue: (() => void)[] = [];
  let aborted: { readonly reason: unknown } | undefined;

  const submit: Submit = (operation, details, deliver) => {
    const text = host(operation, stringify(details));
    if (text === undefined) return false;
    const answer: CollectionAnswer = parse(text);
    queue.push(() => deliver(answer));
    return true;
  };
  const respond =
    responseMessage === undefined
      ? undefined
      : (feed: unknown[]) => void responseMessage.appendBody?.(stringify(feed));
  const collection = {
    ...parts.createCollection({ selfLink, altLink, submit, makeError, readOptions }),
    ...parts.createQueryFunctions({ submit, makeError, readOptions, respond }),
  };
  const context = {
    getCollection: () => collection,
    getRequest: () => requestMessage,
    ...(responseMessage === undefined ? {} : { getResponse: () => responseMessage }),
    /** Rolls back whatever happens next, also from a promise, whose errors nobody else sees. */
    abort(reason: unknown) {
      aborted ??= { reason };
      throw reason;
    },
  };
  const log = (...values: unknown[]): void => {
    if (!logging || responseMessage === undefined) return;
    const [format, ...rest] = values;
    if (rest.length > 0 && typeof format !== 'string') {
      throw makeError(
        400,
        'First argument to console.log should be a string containing zero or more substitution strings.',
      );
    }
    const text = rest.length === 0 ? String(format) : substituted(String(format), rest);
    responseMessage.appendValue?.(logName, text);
  };
  const substituted = (format: string, values: unknown[]): string =>
    format.replace(/%(%|s)/g, (_mark, kind) => (kind === '%' ? '%' : String(values.shift())));
  const shortcuts: object = Object.assign(Object.create(collection), {
    request: requestMessage,
    ...(responseMessage === undefined ? {} : { response: responseMessage }),
  });
  Object.assign(globalThis, { getContext: () => context, __: shortcuts, console: { log } });

  const checked = <T>(work: () => T): T => {
    const result = work();
    if (aborted !== undefined) throw aborted.reason;
    return result;
  };
  const bodyText = (message: typeof responseMessage): string | undefined => {
    const text = stringify(message?.getBody?.());
    // An object may have grown since it was set.
    const limit = response?.Body?.limit ?? Number.POSITIVE_INFINITY;
    if (text !== undefined && text.length > limit) {
      throw makeError(413, 'Resulting message would be too large because of "Body".');
    }
    return text;
  };
  return {
    run: (script, parameters) => {
      if (typeof script !== 'function') throw new TypeError('The body of the script is not a function.');
      const values: unknown[] = parse(parameters);
      checked(() => script(...values));
    },
    next: () => {
      if (aborted !== undefined) throw aborted.reason;
      const deliver = queue.shift();
      if (deliver === undefined) return false;
      checked(deliver);
      return true;
    },
    finish: () => ({ request: bodyText(requestMessage), response: bodyText(responseMessage) }),
    log: () => {
      const text = responseMessage?.getValue?.(logName);
      return typeof text === 'string' ? text : '';
    },
  };
}

/** Describes what a script threw as the service does, with the number that it carries. */
export function describeThrown(thrown: unknown, fileName: string): { message: string; number?: number } {
  const { number, stack }: Partial<ScriptError> = typeof thrown === 'object' && thrown !== null ? thrown : {};
  const numbered = Number.isInteger(number) ? { number: Number(number) } : {};
  const text = String(thrown);
  if (typeof stack !== 'string') return { message: text, ...numbered };
  // Frames of the emulator itself are none of the script's business.
  const frames = stack.split('\n').filter((line) => line.includes(fileName) && line.startsWith('    at '));
  const trace = [text, ...frames.map((line) => line.replace('    at ', '   at '))].join('\n');
  return { message: `${text}\r\nStack trace: ${trace}`, ...numbered };
}

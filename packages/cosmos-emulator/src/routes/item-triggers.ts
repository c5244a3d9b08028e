import type { Json } from '../json.ts';
import { logHeaders } from '../script/script-error.ts';
import { badRequest } from '../service-error.ts';
import type { ItemOperationType, ItemResult } from '../storage/item-operation.ts';
import type { Resource } from '../storage/journal.ts';
import type { RouteContext } from './route-context.ts';
import { below, requestProperties, responseProperties, runScript, type ScriptRun } from './script-run.ts';

/** What the triggers after an operation leave of its answer. */
export interface TriggeredReply {
  /** JSON text of the body; undefined where it stays as it is. */
  readonly text: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

/** The triggers that a request on an item names, in the order of their names. */
export interface ItemTriggers {
  /** Runs those before the operation, and gives the body for it. Throws 400 where one fails or does not fit. */
  before(body: Json | undefined): Json | undefined;
  /** Runs those after the operation, in its transaction. Throws 400 where one fails or does not fit. */
  after(body: Json | undefined, result: ItemResult): TriggeredReply;
}

/** Operations of triggers that fit an operation on an item. */
const fitting: Readonly<Record<ItemOperationType, readonly string[]>> = {
  Create: ['all', 'create'],
  Upsert: ['all', 'upsert', 'create', 'replace', 'update'],
  Replace: ['all', 'replace', 'update'],
  Patch: ['all', 'update'],
  Delete: ['all', 'delete'],
  Read: [],
};

/** Reads which triggers a request names. Nothing runs yet. */
export function itemTriggers(
  context: RouteContext,
  type: ItemOperationType,
  scope: ScriptRun['scope'],
): ItemTriggers {
  const { headers } = context.request;
  return {
    before(body) {
      let current = body;
      for (const script of named(context, headers['x-ms-documentdb-pre-trigger-include'], [type, 'pre'])) {
        const request = requestProperties(context, {
          text: textOf(current),
          isWritable: true,
          operation: type,
        });
        const run = { script, scope, parameters: '[]', request, response: undefined };
        const { outcome } = runScript(context, run);
        if (outcome.request !== undefined && outcome.request !== 'null') current = parsed(outcome.request);
      }
      return current;
    },
    after(body, { item }) {
      let text: string | undefined;
      let log = '';
      const request = requestProperties(context, { text: textOf(body), isWritable: false, operation: type });
      for (const script of named(context, headers['x-ms-documentdb-post-trigger-include'], [type, 'post'])) {
        const response = responseProperties(text ?? textOf(item?.document) ?? 'null');
        const { outcome } = runScript(context, { script, scope, parameters: '[]', request, response });
        text = outcome.response;
        log += outcome.log;
      }
      return { text: item === undefined ? undefined : text, headers: logHeaders(log) };
    },
  };
}

function named(
  context: RouteContext,
  header: string | undefined,
  [type, when]: readonly [ItemOperationType, 'pre' | 'post'],
): Resource[] {
  if (header === undefined || type === 'Read') return [];
  const names = header.split(',').map((name) => name.trim());
  return names.filter((name) => name !== '').map((name) => fittingTrigger(context, name, [type, when]));
}

function fittingTrigger(
  context: RouteContext,
  name: string,
  [type, when]: readonly [ItemOperationType, 'pre' | 'post'],
): Resource {
  const trigger = context.account.find(below(context, 'triggers'), name);
  if (trigger === undefined) throw badRequest(`The trigger '${name}' that the request names does not exist.`);
  if (wordOf(trigger.triggerType) !== when) {
    throw badRequest(`The trigger '${name}' is not a ${when}-trigger.`);
  }
  if (!fitting[type].includes(wordOf(trigger.triggerOperation))) {
    throw badRequest(`The trigger '${name}' is not made for the operation ${type}.`);
  }
  return trigger;
}

function wordOf(value: Json | undefined): string {
  return typeof value === 'string' ? value.toLowerCase() : '';
}

function textOf(body: Json | undefined): string | undefined {
  return body === undefined ? undefined : JSON.stringify(body);
}

function parsed(text: string): Json {
  const value: Json = JSON.parse(text);
  return value;
}

import { ScriptCollection, type ScriptScope } from '../script/script-collection.ts';
import { scriptError } from '../script/script-error.ts';
import { logProperty, type MessageProperties, type ScriptOutcome } from '../script/script-messages.ts';
import { createUdfCaller, type UdfCaller } from '../script/udf-caller.ts';
import type { Resource } from '../storage/journal.ts';
import { isTrue, type RouteContext } from './route-context.ts';

/** A stored procedure or a trigger, what it works on, and what it sees. */
export interface ScriptRun {
  readonly script: Resource;
  readonly scope: Omit<ScriptScope, 'now' | 'callUdf'>;
  /** JSON array. */
  readonly parameters: string;
  readonly request: MessageProperties;
  readonly response: MessageProperties | undefined;
}

/** The longest body of an answer, in characters. */
const maximumBody = 4 * 1024 * 1024;

/** The longest log, as it travels in a header. */
const maximumLog = 12 * 1024;

/** Runs a script inside a transaction, which the caller commits. Throws 400 where the script fails, 408 where it is too slow. */
export function runScript(
  context: RouteContext,
  { script, scope, parameters, request, response }: ScriptRun,
): { readonly outcome: ScriptOutcome & { type: 'done' }; readonly charge: number } {
  const { scripts, clock } = context;
  const callUdf = udfCallerOf(context);
  const collection = new ScriptCollection({ ...scope, now: clock.now(), callUdf });
  const outcome = scripts.run(
    {
      name: script.id,
      body: bodyOf(script),
      parameters,
      setting: {
        selfLink: scope.container.resource._self,
        altLink: below(context, 'docs').replace(/\/docs$/, ''),
        request,
        response,
        logging: isTrue(context.request.headers['x-ms-documentdb-script-enable-logging']),
      },
    },
    collection,
  );
  if (outcome.type === 'failed') throw scriptError(outcome);
  return { outcome, charge: collection.charge };
}

function bodyOf({ body }: Resource): string {
  return typeof body === 'string' ? body : '';
}

/** Calls the user-defined functions of the container that a request addresses. */
export function udfCallerOf(context: RouteContext): UdfCaller {
  return createUdfCaller(context.scripts, (name) => {
    const found = context.account.find(below(context, 'udfs'), name);
    return found === undefined ? undefined : bodyOf(found);
  });
}

/** The request as a script sees it: its body as JSON text, and its headers. */
export function requestProperties(
  { request }: RouteContext,
  body: { readonly text: string | undefined; readonly isWritable: boolean; readonly operation: string },
): MessageProperties {
  const properties: Record<string, MessageProperties[string]> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (value === undefined || name === 'authorization') continue;
    properties[name] = { text: JSON.stringify(value), isWritable: false };
  }
  return {
    ...properties,
    Body: { text: body.text ?? 'null', isWritable: body.isWritable },
    OperationType: { text: JSON.stringify(body.operation), isWritable: false },
  };
}

/** The response as a script sees it: its body as JSON text, and what it logs. */
export function responseProperties(text: string): MessageProperties {
  return {
    Body: { text, isWritable: true, limit: maximumBody },
    [logProperty]: { text: '""', isWritable: true, limit: maximumLog },
  };
}

/** The collection of one kind below the container of a request. */
export function below({ account, target }: RouteContext, kind: string): string {
  return account.address(['dbs', target.database ?? '', 'colls', target.container ?? '', kind]).collection;
}

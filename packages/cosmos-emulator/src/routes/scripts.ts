import type { Json, JsonObject } from '../json.ts';
import { logHeaders } from '../script/script-error.ts';
import { badRequest } from '../service-error.ts';
import { requestCharge } from '../storage/request-charge.ts';
import { requireName } from '../storage/resource-id.ts';
import { containerOf, headerKey, wholeKey } from './request-scope.ts';
import { type Definition, resourceRoutes } from './resource-routes.ts';
import { type Reply, type RouteContext, type RouteTable, readJson } from './route-context.ts';
import { requestProperties, responseProperties, runScript } from './script-run.ts';

const operations = ['create', 'upsert', 'read', 'list', 'query', 'replace', 'delete'] as const;

/** Stored procedures, triggers and user-defined functions, and the execution of stored procedures. */
export const scriptRoutes: RouteTable = {
  ...resourceRoutes(
    { kind: 'storedProcedures', feed: 'StoredProcedures', ridBytes: 16, define: defineScript },
    operations,
  ),
  ...resourceRoutes({ kind: 'triggers', feed: 'Triggers', ridBytes: 16, define: defineTrigger }, operations),
  ...resourceRoutes(
    { kind: 'userDefinedFunctions', feed: 'UserDefinedFunctions', ridBytes: 16, define: defineScript },
    operations,
  ),
  'storedProcedures.execute': execute,
};

/** The body is only read when the script runs: one that is no JavaScript is taken, and fails then. */
function defineScript({ id, body }: JsonObject): Definition {
  const name = requireName(id);
  if (typeof body !== 'string' || body === '') throw missing('body');
  return { id: name, body };
}

const triggerTypes: ReadonlySet<string> = new Set(['pre', 'post']);
const triggerOperations: ReadonlySet<string> = new Set([
  'all',
  'create',
  'update',
  'delete',
  'replace',
  'upsert',
]);

function defineTrigger(sent: JsonObject): Definition {
  const { triggerType, triggerOperation } = sent;
  return {
    ...defineScript(sent),
    triggerType: oneOf(triggerTypes, triggerType, 'triggerType'),
    triggerOperation: oneOf(triggerOperations, triggerOperation, 'triggerOperation'),
  };
}

/** Takes a word in any case, and keeps it as it was written. */
function oneOf(words: ReadonlySet<string>, value: Json | undefined, name: string): string {
  if (value === undefined || value === null) throw missing(name);
  if (typeof value === 'string' && words.has(value.toLowerCase())) return value;
  throw badRequest(`The value ${JSON.stringify(value)} specified for property '${name}' is invalid.`);
}

function missing(name: string): Error {
  return badRequest(
    `The input content is invalid because the required properties - '${name}; ' - are missing.`,
  );
}

/** All that a stored procedure writes becomes true when it ends, and nothing when it fails. */
function execute(context: RouteContext): Reply {
  const { account, request, target } = context;
  const container = containerOf(context);
  const script = account.read(target.segments.slice(0, -1).join('/'), target.segments.at(-1) ?? '');
  const sent = headerKey(request, container);
  if (sent === undefined) throw badRequest('PartitionKey value must be supplied for this operation.');
  const key = wholeKey(sent, container);
  const parameters = readJson(request) ?? [];
  if (!Array.isArray(parameters)) {
    throw badRequest('The request body of a stored procedure must be a JSON array of its parameters.');
  }
  const transaction = container.begin(key);
  const text = JSON.stringify(parameters);
  const { outcome, charge } = runScript(context, {
    script,
    scope: { container, transaction, key },
    parameters: text,
    request: requestProperties(context, { text, isWritable: false, operation: 'Execute' }),
    response: responseProperties('""'),
  });
  transaction.commit();
  const physical = container.physicalOf(key);
  return {
    text: outcome.response ?? '""',
    charge: requestCharge.metadata + charge,
    headers: {
      'x-ms-session-token': physical.sessionToken,
      lsn: String(physical.lsn),
      ...logHeaders(outcome.log),
    },
  };
}

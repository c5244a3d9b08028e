import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { createAuthorizer } from './authorization/authorize.ts';
import type { EmulatorClock } from './clock.ts';
import type { ConsistencyLevel } from './consistency.ts';
import { ConnectionResetError, faultError } from './faults/fault-error.ts';
import type { Fault, FaultQueue } from './faults/fault-queue.ts';
import type { RequestBudgets } from './faults/request-budget.ts';
import type { ServiceRequest, ServiceResponse } from './http-message.ts';
import { isObject } from './json.ts';
import type { ReadReplica } from './replica.ts';
import { readSource } from './routes/read-source.ts';
import type { Reply, Target } from './routes/route-context.ts';
import { route } from './routes/router.ts';
import { targetOf } from './routes/target.ts';
import type { ScriptEngine } from './script/script-engine.ts';
import { ServiceError } from './service-error.ts';
import type { Account } from './storage/account.ts';
import { requestCharge } from './storage/request-charge.ts';

/** Counts since the emulator was made. */
export interface EmulatorStats {
  /** Requests that reached the emulator. */
  requests: number;
  /** Request units that were charged. */
  requestUnits: number;
}

/** What answers requests, whichever way they come in. */
export interface Gateway {
  /** Answers. Rejects only where the connection is to break, or where the caller aborts. */
  handle(request: ServiceRequest, signal?: AbortSignal): Promise<ServiceResponse>;
}

/** Puts the parts together: signature, faults, routes, and errors as the service words them. */
export function createGateway(parts: {
  account: Account;
  /** Waits until what was written so far is as durable as was asked for; undefined where it is already. */
  settled: () => Promise<void> | undefined;
  consistency: ConsistencyLevel;
  clock: EmulatorClock;
  faults: FaultQueue;
  budgets: RequestBudgets;
  replica: ReadReplica;
  stats: EmulatorStats;
  scripts: ScriptEngine;
  key: string;
  readOnlyKey?: string | undefined;
}): Gateway {
  const { account, consistency, clock, faults, budgets, replica, stats, scripts } = parts;
  const authorizer = createAuthorizer(parts);
  const { tokens } = authorizer;
  const respond: Gateway['handle'] = async (request, signal) => {
    const target = targetOf(request);
    authorizer.authorize(request, target);
    const fault = faults.take(target, request.method);
    if (fault !== undefined) await suffer(fault, signal);
    budgets.admit(target);
    const context = { account, consistency, clock, scripts, request, target, tokens };
    const reply = route({ ...context, account: readSource(context, replica.account) });
    // Reads wait too: nobody is told what the loss of power could still undo.
    const settled = parts.settled();
    if (settled !== undefined) await settled;
    if (fault?.reset === 'after') throw new ConnectionResetError();
    const charge = reply.charge ?? requestCharge.metadata;
    stats.requestUnits += charge;
    budgets.charge(target, charge);
    return responseOf(reply, target, account);
  };
  // The service dates its answers; clients take the server's time from there.
  const dated = (response: ServiceResponse): ServiceResponse => ({
    ...response,
    headers: { date: new Date(clock.now()).toUTCString(), ...response.headers },
  });
  return {
    async handle(request, signal) {
      stats.requests++;
      try {
        return dated(await respond(request, signal));
      } catch (error) {
        if (error instanceof ServiceError) return dated(errorResponse(error));
        if (error instanceof ConnectionResetError || signal?.aborted === true) throw error;
        return dated(errorResponse(internalError(error)));
      }
    },
  };
}

async function suffer(fault: Fault, signal: AbortSignal | undefined): Promise<void> {
  if (fault.delayMs !== undefined)
    await wait(fault.delayMs, undefined, signal === undefined ? {} : { signal });
  if (fault.gate !== undefined) await untilAborted(fault.gate, signal);
  signal?.throwIfAborted();
  if (fault.reset === 'before') throw new ConnectionResetError();
  if (fault.status !== undefined) throw faultError(fault, fault.status);
}

/** Waits for a gate, or for the caller to give up, whichever is first. */
async function untilAborted(gate: PromiseLike<unknown>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) {
    await gate;
    return;
  }
  const aborted = Promise.withResolvers<void>();
  const give = (): void => aborted.resolve();
  signal.addEventListener('abort', give, { once: true });
  try {
    if (!signal.aborted) await Promise.race([gate, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', give);
  }
}

function commonHeaders(): Record<string, string> {
  return {
    'content-type': 'application/json',
    'x-ms-activity-id': randomUUID(),
    'x-ms-gatewayversion': '2.0.0',
    'x-ms-serviceversion': 'version=2.14.0.0',
  };
}

function responseOf(reply: Reply, target: Target, account: Account): ServiceResponse {
  const { status = 200, body, text, charge = requestCharge.metadata } = reply;
  const etag = isObject(body) && typeof body._etag === 'string' ? { etag: body._etag } : {};
  return {
    status,
    headers: {
      ...commonHeaders(),
      'x-ms-schemaversion': '1.18',
      ...etag,
      ...ownerHeaders(target, account),
      'x-ms-request-charge': String(charge),
      ...reply.headers,
    },
    body: text ?? (body === undefined ? '' : JSON.stringify(body)),
  };
}

/** Names what holds the resource: clients keep session tokens by the resource id of the container. */
function ownerHeaders({ database, container, segments }: Target, account: Account): Record<string, string> {
  const db = container === undefined ? undefined : account.find('dbs', database ?? '');
  if (db === undefined || container === undefined) return {};
  const isBelow = segments.length > 4;
  const owner = isBelow ? account.find(`dbs/${db.id}/colls`, container) : db;
  if (owner === undefined) return {};
  const path = isBelow ? `dbs/${db.id}/colls/${owner.id}` : `dbs/${db.id}`;
  return { 'x-ms-alt-content-path': encodeURI(path), 'x-ms-content-path': owner._rid };
}

function errorResponse(error: ServiceError): ServiceResponse {
  const headers = commonHeaders();
  const message = `${error.message}\r\nActivityId: ${headers['x-ms-activity-id'] ?? ''}`;
  return {
    status: error.status,
    headers: {
      ...headers,
      'x-ms-request-charge': String(requestCharge.failure),
      ...(error.substatus === undefined ? {} : { 'x-ms-substatus': String(error.substatus) }),
      ...error.headers,
    },
    body: JSON.stringify({ code: error.code, message, ...error.details }),
  };
}

/** A defect of the emulator itself: it says so, and goes on. */
function internalError(error: unknown): ServiceError {
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new ServiceError({
    status: 500,
    code: 'InternalServerError',
    message: `The emulator failed: ${message}`,
  });
}

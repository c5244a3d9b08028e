import type { Json, Value } from '../json.ts';
import { queryError } from '../service-error.ts';
import type { Run } from '../sql/scope.ts';
import type { ScriptEngine } from './script-engine.ts';
import { scriptError } from './script-error.ts';

/** Calls a user-defined function. Throws status 400 where there is none of the name or it fails, 408 where time is over. */
export type UdfCaller = NonNullable<Run['callUdf']>;

/**
 * Makes the caller for one run of a query. The functions of the run share the time of one script, and what they leave in
 * their globals is gone afterwards.
 */
export function createUdfCaller(
  engine: ScriptEngine,
  bodyOf: (name: string) => string | undefined,
): UdfCaller {
  const run = engine.nextRun();
  const bodies = new Map<string, string | undefined>();
  let leftMs = engine.timeoutMs;
  return (name, args) => {
    if (!bodies.has(name)) bodies.set(name, bodyOf(name));
    const body = bodies.get(name);
    if (body === undefined) {
      throw queryError(`'${name}' is not a recognized user-defined function name.`, 'SC2006');
    }
    const values = args.map((value) => (value === undefined ? null : JSON.stringify(value)));
    const outcome = engine.callFunction({ name, body, values, run }, leftMs);
    if (outcome.type === 'failed') throw scriptError(outcome);
    leftMs -= outcome.elapsedMs;
    return parsed(outcome.value);
  };
}

function parsed(text: string | undefined): Value {
  if (text === undefined) return undefined;
  const value: Json = JSON.parse(text);
  return value;
}

import { readSync, writeSync } from 'node:fs';
import { constants, createContext, Script } from 'node:vm';
import { createCollection, createOptionsReader } from './realm/collection.ts';
import { installNumberedErrors } from './realm/errors.ts';
import { createMessage } from './realm/message.ts';
import { createQueryFunctions } from './realm/query-functions.ts';
import { describeThrown, type RealmParts, type ScriptControl, startScript } from './realm/script.ts';
import type { HostMessage, ProcessMessage, ScriptJob, ScriptOutcome } from './script-messages.ts';

// The process that runs scripts: one at a time, each in a realm of its own without anything of Node.js in it. It reads
// jobs and answers from its input and writes calls and outcomes to its output, and waits wherever there is nothing to
// read: it has no event loop to go back to, as scripts have none.

/** A set of globals, without anything of Node.js. */
type Realm = ReturnType<typeof createContext>;

const compiled = new Map<unknown, Script>();

/** Makes a function again inside a realm, from its text, so that all its objects belong there. */
function inRealm<F>(realm: Realm, original: F & { readonly name: string }): F {
  let script = compiled.get(original);
  if (script === undefined) {
    script = new Script(`'use strict';(${String(original)})`, { filename: `${original.name}.emulator` });
    compiled.set(original, script);
  }
  const made: F = script.runInContext(realm);
  return made;
}

/** Evaluating anything in a realm runs the promise callbacks that wait there. */
const turn = new Script('0');

function createRealm(): Realm {
  return createContext(constants.DONT_CONTEXTIFY, { microtaskMode: 'afterEvaluate' });
}

/** Evaluates the body of a script. It comes as an expression, often with further functions after it. */
function evaluate(realm: Realm, { name, body }: ScriptJob): unknown {
  const text = `(function __docDbMain() { var fn = ${body}\n; return fn; })()`;
  let script: Script;
  try {
    script = new Script(text, { filename: fileNameOf(name) });
  } catch (error) {
    throw new CompilationError(error);
  }
  return script.runInContext(realm);
}

/** The text of a script cannot be read. */
class CompilationError extends Error {
  override readonly name = 'CompilationError';

  constructor(cause: unknown) {
    // The engine gives file and line, the source line, and a mark below the place.
    const stack = cause instanceof Error ? (cause.stack ?? '') : '';
    const [where = '', source = '', mark = ''] = stack.split('\n');
    const line = where.slice(where.lastIndexOf(':') + 1);
    super(
      `${String(cause)}\r\nSource information: line: ${line}, column: ${mark.indexOf('^') + 1}, source line:\n${source}`,
    );
  }
}

/** What the service gives as sub-status for a script that does not compile. */
const compilationSubstatus = 0xffff;

function failure(thrown: unknown, name: string, log: string): ScriptOutcome {
  if (thrown instanceof CompilationError) {
    const message = `Encountered exception while compiling Javascript. Exception = ${thrown.message}`;
    return { type: 'failed', message, substatus: compilationSubstatus, log };
  }
  const { message, number } = describe(thrown, name);
  return {
    type: 'failed',
    message: `Encountered exception while executing function. Exception = ${message}`,
    substatus: number,
    log,
  };
}

function logOf(control: ScriptControl): string {
  try {
    return control.log();
  } catch {
    return '';
  }
}

function describe(thrown: unknown, name: string): ReturnType<typeof describeThrown> {
  try {
    return describeThrown(thrown, fileNameOf(name));
  } catch {
    return { message: 'The script threw a value that cannot be read.' };
  }
}

function fileNameOf(name: string): string {
  return `${name}.js`;
}

function partsIn(realm: Realm): RealmParts {
  return {
    installNumberedErrors: inRealm(realm, installNumberedErrors),
    createMessage: inRealm(realm, createMessage),
    createOptionsReader: inRealm(realm, createOptionsReader),
    createCollection: inRealm(realm, createCollection),
    createQueryFunctions: inRealm(realm, createQueryFunctions),
  };
}

function runScript(job: ScriptJob & { kind: 'script' }): ScriptOutcome {
  const started = performance.now();
  const realm = createRealm();
  const host = (operation: string, details: string): string | undefined =>
    performance.now() - started < job.acceptMs ? callHost(operation, details) : undefined;
  const start = inRealm(realm, startScript);
  const control: ScriptControl = start(partsIn(realm), JSON.stringify(job.setting), host);
  try {
    control.run(evaluate(realm, job), job.parameters);
    do turn.runInContext(realm);
    while (control.next());
    return { type: 'done', ...control.finish(), log: control.log(), elapsedMs: performance.now() - started };
  } catch (error) {
    return failure(error, job.name, logOf(control));
  }
}

/** The functions of the query run at hand, by name: each has a realm of its own. */
const functions = new Map<string, (values: readonly (string | null)[]) => string | undefined>();
let currentRun = -1;

/** Makes a function take and give JSON text. Runs inside the realm of the function. */
function overText(
  called: (...values: unknown[]) => unknown,
): (values: readonly (string | null)[]) => string | undefined {
  const { parse, stringify } = JSON;
  return (values) => {
    const result = called(...Array.from(values, (text) => (text === null ? undefined : parse(text))));
    // SQL has no number for these.
    return typeof result === 'number' && !Number.isFinite(result) ? undefined : stringify(result);
  };
}

function runFunction(job: ScriptJob & { kind: 'function' }): ScriptOutcome {
  const started = performance.now();
  if (job.run !== currentRun) functions.clear();
  currentRun = job.run;
  try {
    let called = functions.get(job.name);
    if (called === undefined) {
      const realm = createRealm();
      inRealm(realm, installNumberedErrors)();
      const made = evaluate(realm, job);
      if (typeof made !== 'function') throw new TypeError('The body of the function is not a function.');
      called = inRealm(realm, overText)(made as (...values: unknown[]) => unknown);
      functions.set(job.name, called);
    }
    const value = called(job.values);
    return { type: 'done', value, log: '', elapsedMs: performance.now() - started };
  } catch (error) {
    return failure(error, job.name, '');
  }
}

const chunk = Buffer.alloc(64 * 1024);
let unread: Buffer = Buffer.alloc(0);

/** Waits for the next line; undefined when there will be none. */
function readLine(): string | undefined {
  const parts = [unread];
  let end = unread.indexOf('\n');
  while (end === -1) {
    const count = readSync(0, chunk);
    if (count === 0) return undefined;
    parts.push(Buffer.from(chunk.subarray(0, count)));
    end = parts.at(-1)?.indexOf('\n') ?? -1;
  }
  const last = parts.pop() ?? unread;
  unread = last.subarray(end + 1);
  return Buffer.concat([...parts, last.subarray(0, end)]).toString();
}

function write(message: ProcessMessage): void {
  let text = Buffer.from(`${JSON.stringify(message)}\n`);
  while (text.length > 0) text = text.subarray(writeSync(1, text));
}

/** Runs jobs until an answer comes: those of the emulator, and those that come while a script waits for an operation. */
function untilAnswer(): string | undefined {
  for (let line = readLine(); line !== undefined; line = readLine()) {
    const message: HostMessage = JSON.parse(line);
    if (message.type === 'answer') return message.text;
    const { job } = message;
    write(job.kind === 'script' ? runScript(job) : runFunction(job));
  }
  return undefined;
}

/** Asks the emulator for an operation, and waits for its answer. */
function callHost(operation: string, details: string): string {
  write({ type: 'call', operation, details });
  return untilAnswer() ?? process.exit();
}

write({ type: 'done', log: '', elapsedMs: 0 });
untilAnswer();

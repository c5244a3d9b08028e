import type { ScriptCollection } from './script-collection.ts';
import { ScriptHost } from './script-host.ts';
import type { ScriptJob, ScriptOutcome } from './script-messages.ts';

/** A stored procedure or a trigger to run. */
export type ScriptToRun = Omit<Extract<ScriptJob, { kind: 'script' }>, 'kind' | 'acceptMs'>;

/** Collection operations are refused from here on, so that a script may end in order before its time is over. */
const acceptedShare = 0.8;

/** Runs the scripts of an emulator, within their time. Their process starts when first needed, and does not keep this one alive. */
export class ScriptEngine {
  /** Milliseconds for a stored procedure, a trigger, or all functions of a query run. */
  readonly timeoutMs: number;
  readonly #host = new ScriptHost();
  #runs = 0;

  constructor({ timeoutMs }: { timeoutMs: number }) {
    this.timeoutMs = timeoutMs;
  }

  /** Runs a stored procedure or a trigger on a collection. Throws 408 when it takes too long, 403 when it takes too much. */
  run(script: ScriptToRun, collection: ScriptCollection): ScriptOutcome {
    const job: ScriptJob = { kind: 'script', acceptMs: this.timeoutMs * acceptedShare, ...script };
    return this.#host.run(job, this.timeoutMs, (operation, details) => collection.call(operation, details));
  }

  /** A number for a run of a query, which tells its functions from those of the next. */
  nextRun(): number {
    return this.#runs++;
  }

  /** Calls a user-defined function. Throws 408 when it takes longer than `timeoutMs`. */
  callFunction(
    call: Omit<Extract<ScriptJob, { kind: 'function' }>, 'kind'>,
    timeoutMs: number,
  ): ScriptOutcome {
    return this.#host.run({ kind: 'function', ...call }, timeoutMs);
  }

  /** Ends the process of scripts. A later script starts another. */
  async close(): Promise<void> {
    await this.#host.close();
  }
}

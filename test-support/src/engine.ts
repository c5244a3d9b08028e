/** A database server that tests or the demo talk to. Whoever started it stops it. */
export interface Engine {
  /** Where clients connect, with the user in it. */
  readonly url: string;
  /** Where the server came from, for one line of output: `environment`, `testcontainers`, or a path. */
  readonly from: string;
  /** The means to break a server that runs as our own process; missing for a container or a given URL. */
  readonly process?: EngineProcess;
  /** Ends a server that we started; a server given by URL stays. Safe to repeat. */
  stop(): Promise<void>;
}

/** Breaks and mends a local server; data and port stay the same. */
export interface EngineProcess {
  /** Ends the server as a crash does: clients see a broken connection, nothing is flushed. */
  kill(): Promise<void>;
  /** Resolves once the server, killed or still running, answers again at the same URL. */
  restart(): Promise<void>;
  /** What the server has written to its log. */
  log(): string;
}

/** Thrown when no source offers an engine. At a desk the tests that need it are skipped; in CI it ends the run. */
export class EngineMissingError extends Error {
  override readonly name = 'EngineMissingError';
  readonly code = 'ENGINE_MISSING';

  /** Names the engine and why each source had none. */
  constructor(engine: string, reasons: readonly string[]) {
    super(`no ${engine}: ${reasons.join('; ')}`);
  }
}

/** Whether only engines that this workspace fetches itself may be used, as in CI (`POLYPHASE_ENGINES=fetch`). */
export function onlyFetched(): boolean {
  const wanted = process.env['POLYPHASE_ENGINES'];
  if (wanted === undefined || wanted === '' || wanted === 'auto') return false;
  if (wanted === 'fetch') return true;
  throw new Error(`POLYPHASE_ENGINES is "${wanted}"; it may be "auto" or "fetch"`);
}

/** Where the Cosmos service that tests may use lives, if `COSMOS_ENDPOINT` names one; else they embed the emulator. */
export function cosmosFromEnvironment(): { endpoint: string; key: string } | undefined {
  const endpoint = process.env['COSMOS_ENDPOINT'];
  if (!endpoint) return undefined;
  const key = process.env['COSMOS_KEY'];
  if (!key) throw new Error('COSMOS_ENDPOINT is set without COSMOS_KEY');
  return { endpoint, key };
}

/** Whether a missing engine is an error (CI) and not a skip (a desk). */
export function inCi(): boolean {
  const ci = process.env['CI'];
  return ci !== undefined && ci !== '' && ci !== 'false' && ci !== '0';
}

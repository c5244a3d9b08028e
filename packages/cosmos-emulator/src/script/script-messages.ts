import type { MessagePort } from 'node:worker_threads';

/** A script to run. Values travel as JSON text, so that they become values of the script's own realm. */
export type ScriptJob =
  | {
      readonly kind: 'script';
      readonly name: string;
      readonly body: string;
      /** JSON array of the arguments. */
      readonly parameters: string;
      readonly setting: ScriptSetting;
      /** After so many milliseconds collection operations are no longer accepted. */
      readonly acceptMs: number;
    }
  | {
      readonly kind: 'function';
      readonly name: string;
      readonly body: string;
      /** Each argument as JSON text; null for one that is undefined. */
      readonly values: readonly (string | null)[];
      /** Number of the query run: functions keep their globals inside one, and lose them after it. */
      readonly run: number;
    };

/** A property of the request or the response that a script sees. */
export interface MessageProperty {
  /** JSON text. */
  readonly text: string;
  readonly isWritable: boolean;
  /** The most characters that the value may have as text. @default no limit */
  readonly limit?: number;
}

/** The properties of a request or a response, by name. */
export type MessageProperties = Readonly<Record<string, MessageProperty>>;

/** What surrounds a stored procedure or a trigger. */
export interface ScriptSetting {
  readonly selfLink: string;
  readonly altLink: string;
  readonly request: MessageProperties;
  /** Undefined in a pre-trigger, which runs before there is one. */
  readonly response: MessageProperties | undefined;
  /** Whether `console.log` is kept. */
  readonly logging: boolean;
}

/** How a script ended. */
export type ScriptOutcome =
  | {
      readonly type: 'done';
      /** Bodies as JSON text; undefined where a value has none. */
      readonly request?: string | undefined;
      readonly response?: string | undefined;
      /** What a function gave back, as JSON text. */
      readonly value?: string | undefined;
      readonly log: string;
      /** Milliseconds that the script itself took. */
      readonly elapsedMs: number;
    }
  | {
      readonly type: 'failed';
      readonly message: string;
      readonly substatus: number | undefined;
      readonly log: string;
    };

/** An operation on the collection, which a script asks for while it runs. */
export interface CollectionCall {
  readonly type: 'call';
  readonly operation: string;
  /** JSON object. */
  readonly details: string;
}

/** What the process of scripts says: at its start that it is ready, then calls and outcomes, a line of JSON each. */
export type ProcessMessage = ScriptOutcome | CollectionCall;

/** What the process of scripts is told, a line of JSON each. */
export type HostMessage =
  | { readonly type: 'job'; readonly job: ScriptJob }
  | { readonly type: 'answer'; readonly text: string };

/** What the thread between starts with. */
export interface RelayStart {
  readonly port: MessagePort;
  /** Its only number is 1 once something was posted. */
  readonly signals: Int32Array;
  /** File that the process runs. */
  readonly program: string;
}

/** The property that holds what `console.log` was given. */
export const logProperty = 'x-ms-documentdb-script-log-results';

import { EventEmitter } from 'eventemitter3';

/** What a listener of notices gets: the notice's own payload. */
export type NoticeListener<Payload> = (payload: Payload) => void;

/**
 * Tells whoever listens what the SDK does. Notices are no domain events: they are not stored, and nobody may depend on one for
 * correctness. A listener that throws is reported to `onListenerError` and disturbs nobody else.
 */
export class Notices<Map extends object> {
  readonly #emitter = new EventEmitter();
  readonly #onListenerError: (error: unknown) => void;

  constructor(options: { readonly onListenerError?: (error: unknown) => void } = {}) {
    this.#onListenerError = options.onListenerError ?? (() => undefined);
  }

  /** Calls `listener` at each notice of that name, until the returned function is called. */
  on<Name extends keyof Map & string>(name: Name, listener: NoticeListener<Map[Name]>): () => void {
    const guarded = (payload: Map[Name]): void => {
      try {
        listener(payload);
      } catch (error) {
        this.#onListenerError(error);
      }
    };
    this.#emitter.on(name, guarded);
    return () => void this.#emitter.off(name, guarded);
  }

  /** Tells every listener of that name. */
  tell<Name extends keyof Map & string>(name: Name, payload: Map[Name]): void {
    this.#emitter.emit(name, payload);
  }
}

/** An error as scripts make it and get it. */
export interface ScriptError extends Error {
  /** Status of a failed operation, or the number that a script threw: it becomes the sub-status of the answer. */
  number?: number;
  /** What went wrong, as JSON text. */
  body?: string;
}

/** Makes an error of the script's own realm. */
export type MakeError = (number: number, message: string) => ScriptError;

/**
 * Lets scripts write `new Error(409, 'message')`, as the service's engine does, and gives a function that makes such
 * errors. Runs inside the realm of a script: its text is sent there, so it uses nothing from outside itself.
 */
export function installNumberedErrors(): MakeError {
  const plain = globalThis.Error;
  const numbered = new Proxy(plain, {
    apply: (_target, _self, parameters: unknown[]) => make(parameters, numbered),
    construct: (_target, parameters: unknown[], made) => make(parameters, made),
  });
  function make(parameters: unknown[], made: Function): ScriptError {
    const [number, message] = parameters;
    const isNumbered = typeof number === 'number' && parameters.length > 1;
    const error: ScriptError = Reflect.construct(plain, isNumbered ? [message] : parameters, made);
    if (isNumbered) error.number = number;
    return error;
  }
  globalThis.Error = numbered;
  Object.defineProperty(plain.prototype, 'constructor', {
    value: numbered,
    configurable: true,
    writable: true,
  });
  return (number, message) => Object.assign(new plain(message), { number });
}

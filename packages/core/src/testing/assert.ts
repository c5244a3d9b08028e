import { isPolyphaseError, type PolyphaseError } from '../errors.ts';
import { canonicalJson, type JsonValue, jsonEquals } from '../json.ts';

/** What a contract case throws when the subject does not keep the contract. */
export class ContractError extends Error {
  override readonly name = 'ContractError';
}

/** What is compared: JSON, or what becomes JSON when fields that are undefined are left out. */
export type Comparable = JsonValue | object | undefined;

// Records and answers are plain data; undefined fields mean the same as absent ones.
function plain(value: Comparable): JsonValue | undefined {
  return value === undefined ? undefined : (JSON.parse(JSON.stringify(value)) as JsonValue);
}

function shown(value: JsonValue | undefined): string {
  const text = value === undefined ? 'undefined' : canonicalJson(value);
  return text.length > 500 ? `${text.slice(0, 500)}…` : text;
}

/** Fails unless both are the same value; order of fields does not matter, type does. */
export function equal(actual: Comparable, expected: Comparable, what: string): void {
  const [a, b] = [plain(actual), plain(expected)];
  if (!jsonEquals(a, b)) throw new ContractError(`${what}: expected ${shown(b)}, got ${shown(a)}`);
}

/** Fails unless the condition holds. */
export function ok(condition: boolean, what: string): asserts condition {
  if (!condition) throw new ContractError(what);
}

/** The value, which must be there. */
export function present<Value>(value: Value | undefined, what: string): Value {
  if (value === undefined) throw new ContractError(`${what}: there is nothing`);
  return value;
}

/** Fails unless the call fails with an error of that code, which it answers with. */
export async function rejects(
  call: Promise<unknown>,
  code: PolyphaseError['code'],
  what: string,
): Promise<PolyphaseError> {
  let error: unknown;
  try {
    await call;
  } catch (thrown) {
    error = thrown;
  }
  if (error === undefined) throw new ContractError(`${what}: expected ${code}, but it succeeded`);
  if (isPolyphaseError(error) && error.code === code) return error;
  const got = error instanceof Error ? `${error.name}: ${error.message}` : typeof error;
  throw new ContractError(`${what}: expected ${code}, got ${got}`, { cause: error });
}

import { type BuiltInFunction, type FunctionTable, takes } from './function-table.ts';

const limit = 2 ** 63;

/** Tells whether a number is whole and fits in 64 bits, as the integer functions ask. */
export function isInteger(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= -limit && value <= limit;
}

/** A function of two integers of 64 bits; what overflows wraps around, and undefined is passed on. */
function ofIntegers(compute: (left: bigint, right: bigint) => bigint | undefined): BuiltInFunction {
  return takes(['integer', 'integer'], (left, right) => {
    if (!isInteger(left) || !isInteger(right)) return undefined;
    const result = compute(BigInt.asIntN(64, BigInt(left)), BigInt.asIntN(64, BigInt(right)));
    return result === undefined ? undefined : Number(BigInt.asIntN(64, result));
  });
}

/** Functions over integers of 64 bits. A processor shifts by the low six bits of the count, so these do too. */
export const integerFunctions: FunctionTable = {
  INTADD: ofIntegers((left, right) => left + right),
  INTBITAND: ofIntegers((left, right) => left & right),
  INTBITLEFTSHIFT: ofIntegers((left, right) => left << (right & 63n)),
  INTBITNOT: takes(['integer'], (value) =>
    isInteger(value) ? Number(BigInt.asIntN(64, ~BigInt(value))) : undefined,
  ),
  INTBITOR: ofIntegers((left, right) => left | right),
  INTBITRIGHTSHIFT: ofIntegers((left, right) => left >> (right & 63n)),
  INTBITXOR: ofIntegers((left, right) => left ^ right),
  INTDIV: ofIntegers((left, right) => (right === 0n ? undefined : left / right)),
  INTMOD: ofIntegers((left, right) => (right === 0n ? undefined : left % right)),
  INTMUL: ofIntegers((left, right) => left * right),
  INTSUB: ofIntegers((left, right) => left - right),
};

import { type FunctionTable, ofNumbers } from './function-table.ts';

/** Rounds halves away from zero, as the service does; Math.round sends them up. */
function round(value: number, digits: number): number {
  const scale = 10 ** digits;
  return (Math.sign(value) * Math.round(Math.abs(value) * scale)) / scale;
}

/** Functions over numbers. */
export const mathFunctions: FunctionTable = {
  ABS: ofNumbers((x = 0) => Math.abs(x), 1),
  ACOS: ofNumbers((x = 0) => Math.acos(x), 1),
  ASIN: ofNumbers((x = 0) => Math.asin(x), 1),
  ATAN: ofNumbers((x = 0) => Math.atan(x), 1),
  ATN2: ofNumbers((y = 0, x = 0) => Math.atan2(y, x), 2),
  CEILING: ofNumbers((x = 0) => Math.ceil(x), 1),
  COS: ofNumbers((x = 0) => Math.cos(x), 1),
  COT: ofNumbers((x = 0) => 1 / Math.tan(x), 1),
  DEGREES: ofNumbers((x = 0) => (x * 180) / Math.PI, 1),
  EXP: ofNumbers((x = 0) => Math.exp(x), 1),
  FLOOR: ofNumbers((x = 0) => Math.floor(x), 1),
  INTADD: ofNumbers((x = 0, y = 0) => x + y, 2),
  INTDIV: ofNumbers((x = 0, y = 0) => Math.trunc(x / y), 2),
  INTMOD: ofNumbers((x = 0, y = 0) => x % y, 2),
  INTMUL: ofNumbers((x = 0, y = 0) => x * y, 2),
  INTSUB: ofNumbers((x = 0, y = 0) => x - y, 2),
  LOG: ofNumbers(
    (x = 0, base = Math.E) => (base === Math.E ? Math.log(x) : Math.log(x) / Math.log(base)),
    1,
    2,
  ),
  LOG10: ofNumbers((x = 0) => Math.log10(x), 1),
  NUMBERBIN: ofNumbers((x = 0, size = 1) => Math.floor(x / size) * size, 1, 2),
  PI: ofNumbers(() => Math.PI, 0),
  POWER: ofNumbers((x = 0, y = 0) => x ** y, 2),
  RADIANS: ofNumbers((x = 0) => (x * Math.PI) / 180, 1),
  RAND: ofNumbers(() => Math.random(), 0),
  ROUND: ofNumbers((x = 0, digits = 0) => round(x, digits), 1, 2),
  SIGN: ofNumbers((x = 0) => Math.sign(x), 1),
  SIN: ofNumbers((x = 0) => Math.sin(x), 1),
  SQRT: ofNumbers((x = 0) => Math.sqrt(x), 1),
  SQUARE: ofNumbers((x = 0) => x * x, 1),
  TAN: ofNumbers((x = 0) => Math.tan(x), 1),
  TRUNC: ofNumbers((x = 0) => Math.trunc(x), 1),
};

import { type FunctionTable, takes } from './function-table.ts';

/** Rounds halves away from zero, as the service does; Math.round sends them up. */
function roundHalves(value: number): number {
  return Math.sign(value) * Math.round(Math.abs(value));
}

function round(value: number, digits = 0): number | undefined {
  // A double has 15 to 17 digits: beyond them there is nothing to round, and the scale would overflow.
  if (digits > 15) return value;
  const scale = 10 ** Math.abs(digits);
  return digits < 0 ? roundHalves(value / scale) * scale : roundHalves(value * scale) / scale;
}

/** Functions over numbers. */
export const mathFunctions: FunctionTable = {
  ABS: takes(['number'], Math.abs),
  ACOS: takes(['number'], Math.acos),
  ASIN: takes(['number'], Math.asin),
  ATAN: takes(['number'], Math.atan),
  ATN2: takes(['number', 'number'], Math.atan2),
  CEILING: takes(['number'], Math.ceil),
  COS: takes(['number'], Math.cos),
  COT: takes(['number'], (x) => 1 / Math.tan(x)),
  DEGREES: takes(['number'], (x) => (x * 180) / Math.PI),
  EXP: takes(['number'], Math.exp),
  FLOOR: takes(['number'], Math.floor),
  LOG: takes(['number', 'number?'], (x, base) =>
    base === undefined ? Math.log(x) : Math.log(x) / Math.log(base),
  ),
  LOG10: takes(['number'], Math.log10),
  NUMBERBIN: takes(['number', 'number?'], (x, size = 1) => Math.floor(x / size) * size),
  PI: takes([], () => Math.PI),
  POWER: takes(['number', 'number'], (x, y) => x ** y),
  RADIANS: takes(['number'], (x) => (x * Math.PI) / 180),
  RAND: takes([], Math.random),
  ROUND: takes(['number', 'integer?'], round),
  SIGN: takes(['number'], Math.sign),
  SIN: takes(['number'], Math.sin),
  SQRT: takes(['number'], Math.sqrt),
  SQUARE: takes(['number'], (x) => x * x),
  TAN: takes(['number'], Math.tan),
  TRUNC: takes(['number'], Math.trunc),
};

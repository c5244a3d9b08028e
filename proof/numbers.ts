/** Whole numbers from one to another, both inclusive. */
export function* numbers(from: number, to: number): Generator<number, void, undefined> {
  for (let number = from; number <= to; number += 1) yield number;
}

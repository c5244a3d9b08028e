/** A stretch of the cells of a state. */
export class Stretch {
  readonly cells: Uint16Array;
  readonly offset: number;
  readonly size: number;

  constructor(cells: Uint16Array, offset: number, size: number) {
    this.cells = cells;
    this.offset = offset;
    this.size = size;
  }

  /** Sets every cell to 0. */
  clear(): void {
    this.cells.fill(0, this.offset, this.offset + this.size);
  }

  /** Makes every cell what it is in another stretch of the same kind. */
  copyFrom(other: Stretch): void {
    this.cells.set(other.cells.subarray(other.offset, other.offset + other.size), this.offset);
  }
}

/** A part of a state: cells by their names. */
export type View<Field extends string> = Stretch & { [Name in Field]: number };

/** A kind of part that states are made of: how many cells it takes, and how to look at them by name. */
export interface Part<Field extends string> {
  readonly size: number;
  /** The cells from `offset` on, by their names. Reads and writes go straight to the cells. */
  readonly at: (cells: Uint16Array, offset: number) => View<Field>;
}

/**
 * Declares a kind of part by the names of its fields. A state is one row of small numbers, so that millions of them can be copied,
 * hashed and kept; the names are there for those who read the actions.
 */
export function part<const Field extends string>(fields: readonly Field[]): Part<Field> {
  class Named extends Stretch {}
  for (const [index, field] of fields.entries())
    Object.defineProperty(Named.prototype, field, {
      get(this: Stretch): number {
        return this.cells[this.offset + index] ?? 0;
      },
      set(this: Stretch, value: number) {
        this.cells[this.offset + index] = value;
      },
    });
  return {
    size: fields.length,
    at: (cells, offset) => new Named(cells, offset, fields.length) as Named & View<Field>,
  };
}

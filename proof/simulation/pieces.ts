import type { Simulated } from './simulate.ts';
import type { SweepCase } from './sweep.ts';

/** A part of the work, for one thread: the worlds of some seeds, or some cases of the sweep. */
export type Piece =
  | { readonly from: number; readonly to: number }
  | { readonly cases: readonly [SweepCase, ...SweepCase[]] };

/** What came of a piece. */
export interface PieceDone extends Simulated {
  readonly piece: string;
}

/** The name under which a piece is remembered. */
export function pieceName(piece: Piece): string {
  if ('from' in piece) return `seeds ${piece.from} to ${piece.to}`;
  const [{ route, call, fault }] = piece.cases;
  return `${piece.cases.length} cases from ${fault} at call ${call} of ${route}`;
}

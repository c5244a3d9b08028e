// Runs in a thread of its own: one piece of the work.
import { parentPort, workerData } from 'node:worker_threads';
import { numbers } from '../numbers.ts';
import { type Piece, type PieceDone, pieceName } from './pieces.ts';
import { simulate } from './simulate.ts';
import { sweep } from './sweep.ts';

const MOST_BROKEN = 5;

const piece = workerData as Piece;
const done =
  'from' in piece
    ? await simulate(numbers(piece.from, piece.to), { mostBroken: MOST_BROKEN })
    : await sweep(piece.cases, { mostBroken: MOST_BROKEN });
const answer: PieceDone = { ...done, piece: pieceName(piece) };
parentPort?.postMessage(answer, []);

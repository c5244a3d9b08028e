import type { Ways } from './explore.ts';

/** The first state from which none that has ended well can be reached without a fault. Undefined: there is none. */
export function findStuck(states: number, { from, to, good }: Ways): number | undefined {
  // For each state, where the list of states that lead to it begins.
  const starts = new Int32Array(states + 1);
  for (let i = 0; i < to.length; i += 1) starts[to.at(i) + 1] = (starts[to.at(i) + 1] ?? 0) + 1;
  for (let i = 0; i < states; i += 1) starts[i + 1] = (starts[i + 1] ?? 0) + (starts[i] ?? 0);
  const next = starts.slice();
  const before = new Int32Array(to.length);
  for (let i = 0; i < to.length; i += 1) {
    const state = to.at(i);
    const place = next[state] ?? 0;
    before[place] = from.at(i);
    next[state] = place + 1;
  }
  const canEnd = new Uint8Array(states);
  const waiting: number[] = [];
  const reach = (state: number) => {
    if (canEnd[state] === 1) return;
    canEnd[state] = 1;
    waiting.push(state);
  };
  for (let i = 0; i < good.length; i += 1) reach(good.at(i));
  for (let state = waiting.pop(); state !== undefined; state = waiting.pop())
    for (let i = starts[state] ?? 0; i < (starts[state + 1] ?? 0); i += 1) reach(before[i] ?? 0);
  const stuck = canEnd.indexOf(0);
  return stuck < 0 ? undefined : stuck;
}

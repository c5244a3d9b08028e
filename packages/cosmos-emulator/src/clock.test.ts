import { describe, expect, it } from 'vitest';
import { createClock } from './clock.ts';

describe('the clock', () => {
  it('runs with its source, moves, stops and runs again', () => {
    let time = 1000;
    const clock = createClock(() => time);
    clock.advance(500);
    time += 10;
    expect(clock.now()).toBe(1510);
    clock.set(new Date(5000));
    time += 10;
    expect(clock.now()).toBe(5000);
    clock.advance(-1);
    expect(clock.now()).toBe(4999);
    clock.resume();
    expect(clock.now()).toBe(1020);
  });

  it('refuses what is no moment, and stays where it is', () => {
    const clock = createClock(() => 1000);
    for (const time of [Number.NaN, Infinity, 9e15, new Date('never')]) {
      expect(() => clock.set(time)).toThrow(RangeError);
    }
    for (const ms of [Number.NaN, -Infinity, 9e15]) expect(() => clock.advance(ms)).toThrow(RangeError);
    expect(clock.now()).toBe(1000);
  });
});

import type { Clock } from '@polyphase/core';
import { beforeEach, expect, test } from 'vitest';
import { RedisCircuit } from './redis-circuit.ts';

let now = 0;
const clock: Clock = { now: () => now, monotonic: () => now, sleep: () => Promise.resolve() };
let circuit: RedisCircuit;

beforeEach(() => {
  now = 1_000;
  circuit = new RedisCircuit({ clock, failures: 3, pauseMs: 100 });
});

function fail(times: number): void {
  for (let time = 0; time < times; time += 1) circuit.failed('pass');
}

test('passes until there were three failures in a row', () => {
  fail(2);
  circuit.succeeded();
  fail(2);
  expect(circuit.admit()).toBe('pass');
  fail(1);
  expect(circuit.admit()).toBe('refused');
});

test('after the pause one probe passes, and no more before its end is known', () => {
  fail(3);
  now += 99;
  expect(circuit.admit()).toBe('refused');
  now += 1;
  expect([circuit.admit(), circuit.admit()]).toEqual(['probe', 'refused']);
});

test('a probe that succeeds closes it; one that fails opens it for another pause', () => {
  fail(3);
  now += 100;
  expect(circuit.admit()).toBe('probe');
  circuit.failed('probe');
  expect(circuit.admit()).toBe('refused');
  now += 100;
  expect(circuit.admit()).toBe('probe');
  circuit.succeeded();
  expect([circuit.admit(), circuit.admit()]).toEqual(['pass', 'pass']);
});

test('a probe that was given up makes room for the next', () => {
  fail(3);
  now += 100;
  expect(circuit.admit()).toBe('probe');
  circuit.abandoned('probe');
  expect(circuit.admit()).toBe('probe');
});

test('a call that passed before and fails now does not end the probe of another', () => {
  fail(3);
  now += 100;
  expect(circuit.admit()).toBe('probe');
  circuit.failed('pass');
  now += 100;
  expect(circuit.admit()).toBe('refused');
});

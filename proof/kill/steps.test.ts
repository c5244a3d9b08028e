import type { Phase } from '@polyphase/core';
import { expect, test } from 'vitest';
import { StepWatch } from './steps.ts';

const look = (phase: Phase, epoch: number, permit: number, markers = '', checkpoints = '') => ({
  row: { phase, epoch, term: 1 },
  permit: { epoch: permit, open: true },
  markers,
  checkpoints,
});

test('each step of the flip forward is told from the one before', () => {
  const watch = new StepWatch();
  const steps = [
    look('4', 4, 4, 'a', 'x'),
    look('5', 5, 4, 'a', 'x'),
    look('5', 5, 5, 'a', 'y'),
    look('5', 5, 5, 'b', 'y'),
    look('5', 5, 5, 'b', 'z'),
    look('6', 6, 5, 'b', 'z'),
  ].map((sight) => watch.see(sight));
  expect(steps).toEqual(['armed', 'sealed', 'permit closed', 'cut taken', 'comparing', 'committed']);
});

test('and each of the way back; phases that come again by another way are another step', () => {
  const watch = new StepWatch();
  const steps = [
    look('6', 6, 5, 'b', 'z'),
    look('7', 7, 5),
    look('7r', 8, 5),
    look('6', 9, 5),
    look("5'", 10, 5),
    look("5'", 10, 5, 'c', 'x'),
    look("5'", 10, 5, 'c', 'y'),
    look('2', 11, 5),
    look('2', 11, 11),
    look('3', 12, 12),
    look('2', 13, 13),
  ].map((sight) => watch.see(sight));
  expect(steps).toEqual([
    'committed',
    'PostgreSQL only',
    'rearming',
    'rearmed',
    'sealed back',
    'cut taken back',
    'comparing back',
    'committed back',
    'permit opened',
    'reads on PostgreSQL',
    'dual write',
  ]);
});

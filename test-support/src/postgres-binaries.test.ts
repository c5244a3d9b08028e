import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { keepCopy } from './postgres-binaries.ts';

let home: string;
let from: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'polyphase-copy-'));
  from = join(home, 'closed');
  mkdirSync(join(from, 'bin'), { recursive: true });
  writeFileSync(join(from, 'bin', 'postgres'), 'program', { mode: 0o700 });
  writeFileSync(join(from, 'postgres.bki'), 'data', { mode: 0o600 });
  symlinkSync('postgres', join(from, 'bin', 'link'));
  chmodSync(from, 0o700);
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

test('opens every file of the copy to all, keeping links and what may be run', () => {
  const copy = keepCopy(from, join(home, 'copy'));
  expect(statSync(copy).mode & 0o777).toBe(0o755);
  expect(statSync(join(copy, 'bin', 'postgres')).mode & 0o777).toBe(0o755);
  expect(statSync(join(copy, 'postgres.bki')).mode & 0o777).toBe(0o644);
  expect(lstatSync(join(copy, 'bin', 'link')).isSymbolicLink()).toBe(true);
});

test('is made once', () => {
  const copy = keepCopy(from, join(home, 'copy'));
  const made = statSync(copy).ino;
  keepCopy(from, copy);
  expect(statSync(copy).ino).toBe(made);
});

test('is made again, with nothing left over, when a cleaner took a file', () => {
  const copy = keepCopy(from, join(home, 'copy'));
  rmSync(join(copy, 'postgres.bki'));
  keepCopy(from, copy);
  expect(readFileSync(join(copy, 'postgres.bki'), 'utf8')).toBe('data');
  expect(existsSync(join(copy, 'bin', 'postgres'))).toBe(true);
  expect(readdirSync(home).toSorted()).toEqual(['closed', 'copy']);
});

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { LogFile } from './log-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'cosmos-emulator-log-'));
afterAll(() => rmSync(folder, { recursive: true }));

const path = join(folder, 'log');
const records = ['{"a":1}', '"ü \u2028"', `"${'x'.repeat(2_000_000)}"`, '[]', '{"last":true}'];

function written(): Buffer {
  rmSync(path, { force: true });
  const file = LogFile.create(path, records.slice(0, 2));
  for (const record of records.slice(2)) file.append(record);
  file.close();
  return readFileSync(path);
}

function read(bytes: Uint8Array): string[] {
  writeFileSync(path, bytes);
  const found: string[] = [];
  LogFile.open(path, (record) => found.push(record)).close();
  return found;
}

describe('a log', () => {
  it('gives back its records, and goes on after them', () => {
    expect(read(written())).toEqual(records);
    const file = LogFile.open(path, () => undefined);
    file.append('"more"');
    expect(file.length).toBe(readFileSync(path).length);
    file.close();
    expect(read(readFileSync(path))).toEqual([...records, '"more"']);
  });

  it('drops a record that was cut short, wherever the cut is, and goes on there', () => {
    const bytes = written();
    const start = bytes.lastIndexOf('\n', -2) + 1;
    for (let length = start; length < bytes.length; length++) {
      expect(read(bytes.subarray(0, length))).toEqual(records.slice(0, -1));
      expect(readFileSync(path)).toHaveLength(start);
    }
    expect(read(Buffer.concat([bytes, Buffer.alloc(5000)]))).toEqual(records);
  });

  it('refuses every other damage, and leaves the file as it is', () => {
    const bytes = written();
    const head = bytes.indexOf('\n') + 1;
    const places = [head, head + 5, head + 9, head + 30, bytes.length - 200, bytes.length - 3];
    for (const at of places) {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      expect(() => read(damaged)).toThrow(/damaged at byte \d+; nothing was changed/);
      expect(readFileSync(path).equals(damaged)).toBe(true);
    }
    const second = bytes.indexOf('\n', head) + 1;
    const without = Buffer.concat([bytes.subarray(0, head), bytes.subarray(second)]);
    expect(() => read(without)).toThrow(`damaged at byte ${head}`);
  });

  it('refuses what is no log of this version', () => {
    for (const text of ['', 'something else\n', 'polyphase cosmos-emulator log 2\n']) {
      expect(() => read(Buffer.from(text))).toThrow('not a log that this version can read');
    }
  });
});

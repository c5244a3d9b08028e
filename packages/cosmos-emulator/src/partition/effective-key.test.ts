import { describe, expect, it } from 'vitest';
import { effectivePartitionKey } from './effective-key.ts';
import type { PartitionKeyComponent, PartitionKeyDefinition } from './partition-key.ts';
import { evenRanges, inRange } from './partition-ranges.ts';

const hash = (version: 1 | 2): PartitionKeyDefinition => ({
  paths: ['/a'],
  kind: 'Hash',
  version,
  systemKey: false,
});

/** Answers of the hashing files inside @azure/cosmos 4.10.1 (`dist/commonjs/utils/hashing`). */
const vectors: ReadonlyArray<readonly [PartitionKeyComponent, string, string]> = [
  ['redmond', '22E342F38A486A088463DFF7838A5963', '05C1EFE313830C087366656E706F6500'],
  ['', '32E9366E637A71B4E710384B2F4970A0', '05C1CF33970FF80800'],
  [
    'sixteen bytes!!!',
    '1C458ABAD0FCDF1EAF77C9C99723F260',
    '05C1D905D90D1408746A797566666F21637A75667422222200',
  ],
  ['é ü 漢字 😀', '2A658A81A55BF8237DAB8A4EEE78D6E3', '05C1EF972B2DBC08C4AA21C4BD21E7BDA3E6AE9821F1A0998100'],
  [0, '155B95BEDAC4B1E9EC1CDC9BB0DDDE58', '05C1BF6DA115600580'],
  [-1, '19938E7A936C1C5B9E3AE842BBC16839', '05C1D1A5BDDF9C054010'],
  [1e308, '1E0D61F83E0EBE180144F756FA5C918A', '05C145CFAE05FFE1E73D715F5F2340'],
  [true, '0E711127C5B5A8E4726AC6DD306A3E59', '05C1D7C5A903D803'],
  [false, '2FE1BE91E90A3439635E0E9E37361EF2', '05C1DB857D857C02'],
  [null, '378867E4430E67857ACE5C908374FE16', '05C1ED45D7475601'],
  [undefined, '11622DAA78F835834610ABE56EFF5CB5', '05C1D529E345DC00'],
];

describe('effective partition keys', () => {
  it.each(vectors)('of %j are those of the SDK', (value, second, first) => {
    expect(effectivePartitionKey([value], hash(2))).toBe(second);
    expect(effectivePartitionKey([value], hash(1))).toBe(first);
  });

  it('of long strings use the first hundred characters in version 1', () => {
    const text = 'y'.repeat(101);
    expect(effectivePartitionKey([text], hash(1))).toBe(`05C1E3136DF12808${'7A'.repeat(100)}00`);
  });

  it('of hierarchical keys put one hash after another', () => {
    const definition: PartitionKeyDefinition = { ...hash(2), paths: ['/a', '/b', '/c'], kind: 'MultiHash' };
    expect(effectivePartitionKey(['a', 'b', 1], definition)).toBe(
      '3A5381E1114EB8D3FCC90795045B49B7195644569A78B1E22D200348AF9416CE20CD98B339BA78A5D0CF6953B87070B0',
    );
  });

  it.each([1, 2] as const)('of version %i fall into even ranges', (version) => {
    const ranges = evenRanges(4, hash(version));
    const counts = ranges.map(() => 0);
    for (let at = 0; at < 2000; at++) {
      const key = effectivePartitionKey([`key ${at}`], hash(version));
      const found = ranges.findIndex((range) => inRange(range, key));
      counts[found] = (counts[found] ?? 0) + 1;
    }
    for (const count of counts) expect(count).toBeGreaterThan(400);
  });
});

import { describe, expect, it } from 'vitest';
import type { Value } from '../../../json.ts';
import { startAllowance } from '../../allowance.ts';
import { findFunction } from '../built-in.ts';

const now = Date.UTC(2024, 9, 14, 14, 20, 30, 666);

function call(name: string, values: readonly Value[]): Value {
  return findFunction(name)?.apply({ now, spend: startAllowance() }, ...values);
}

const moment = '2016-05-29T08:30:00.1301617';
const evening = '2021-01-08T18:35:00.0000000';
const october = '2024-10-10 14:40:20';

describe('functions over dates and times', () => {
  it.each<[string, Value[], Value]>([
    ['AGO', ['yyyy', 1], '2023-10-14T14:20:30.6660000Z'],
    ['AGO', ['yyyy', -1], '2025-10-14T14:20:30.6660000Z'],
    ['AGO', ['ss', 30], '2024-10-14T14:20:00.6660000Z'],
    ['AGO', ['ms', 4], '2024-10-14T14:20:30.6620000Z'],
    ['AGO', ['x', 4], undefined],
    ['NOW', [], '2024-10-14T14:20:30.6660000Z'],
    ['NOW', ['yyyy', 1], '2025-10-14T14:20:30.6660000Z'],
    ['NOW', ['ms', 4], '2024-10-14T14:20:30.6700000Z'],
    ['NOW', ['ms', 'x'], undefined],
    ['NOW', ['ms'], undefined],
    ['DATETIMEADD', ['yyyy', 1, '2020-07-03T00:00:00.0000000'], '2021-07-03T00:00:00.0000000Z'],
    ['DATETIMEADD', ['mm', -1, '2020-07-03T00:00:00.0000000'], '2020-06-03T00:00:00.0000000Z'],
    ['DATETIMEADD', ['dd', 1, '2020-07-03T00:00:00.0000000'], '2020-07-04T00:00:00.0000000Z'],
    ['DATETIMEADD', ['hh', 1, '2020-07-03T00:00:00.0000000'], '2020-07-03T01:00:00.0000000Z'],
    ['DATETIMEADD', ['mcs', 7, '2020-07-03T00:00:00.0000000'], '2020-07-03T00:00:00.0000070Z'],
    ['DATETIMEADD', ['ns', 250, '2020-07-03T00:00:00.0000000'], '2020-07-03T00:00:00.0000002Z'],
    ['DATETIMEADD', ['month', 1, '2024-01-31'], '2024-02-29T00:00:00.0000000Z'],
    ['DATETIMEADD', ['month', -11, '2024-12-31'], '2024-01-31T00:00:00.0000000Z'],
    ['DATETIMEADD', ['year', 1, '2024-02-29'], '2025-02-28T00:00:00.0000000Z'],
    ['DATETIMEADD', ['day', 0.5, '2024-01-31'], undefined],
    ['DATETIMEADD', ['week', 1, '2024-01-31'], undefined],
    ['DATETIMEADD', ['year', 8000, '2024-01-31'], undefined],
    ['DATETIMEADD', ['year', 1e300, '2024-01-31'], undefined],
    ['DATETIMEADD', ['day', -1e300, '2024-01-31'], undefined],
    ['DATETIMEADD', ['day', 1, 'yesterday'], undefined],
    ['DATETIMEBIN', [evening, 'dd'], '2021-01-08T00:00:00.0000000Z'],
    ['DATETIMEBIN', [evening, 'hh'], '2021-01-08T18:00:00.0000000Z'],
    ['DATETIMEBIN', [evening, 'ss'], '2021-01-08T18:35:00.0000000Z'],
    ['DATETIMEBIN', [evening, 'hh', 5], '2021-01-08T15:00:00.0000000Z'],
    ['DATETIMEBIN', [evening, 'dd', 7], '2021-01-07T00:00:00.0000000Z'],
    ['DATETIMEBIN', [evening, 'dd', 7, '1601-01-01T00:00:00.0000000'], '2021-01-04T00:00:00.0000000Z'],
    ['DATETIMEBIN', ['1969-12-31T23:00:00', 'dd', 2], '1969-12-30T00:00:00.0000000Z'],
    ['DATETIMEBIN', [moment, 'ns', 1000], '2016-05-29T08:30:00.1301610Z'],
    ['DATETIMEBIN', [evening, 'dd', 7, '1600-12-31'], undefined],
    ['DATETIMEBIN', [evening, 'dd', 0], undefined],
    ['DATETIMEBIN', [evening, 'dd', 1.5], undefined],
    ['DATETIMEBIN', [evening, 'month'], undefined],
    ['DATETIMEBIN', [evening, 'dd', undefined], undefined],
    ['DATETIMEDIFF', ['day', '2020-01-01T01:02:03.1234527Z', '2020-01-03T01:02:03.1234567Z'], 2],
    ['DATETIMEDIFF', ['yyyy', '2028-01-01T01:02:03.1234527Z', '2020-01-03T01:02:03.1234567Z'], -8],
    ['DATETIMEDIFF', ['hh', '2020-01-01T01:00:00.1234527Z', '2020-01-01T01:59:59.1234567Z'], 0],
    ['DATETIMEDIFF', ['month', '2020-01-31', '2021-02-01'], 13],
    ['DATETIMEDIFF', ['mcs', '2020-01-01T00:00:00.0000009', '2020-01-01T00:00:00.0000010'], 1],
    ['DATETIMEDIFF', ['ns', '2020-01-01T00:00:00.0000009', '2020-01-01T00:00:00.0000010'], 100],
    ['DATETIMEDIFF', ['day', '1969-12-31T23:59:59', '1970-01-01'], 1],
    ['DATETIMEDIFF', ['week', '2020-01-01', '2020-01-02'], undefined],
    ['DATETIMEDIFF', ['day', '2020-01-01', '2020-02-30'], undefined],
    ['DATETIMEFORMAT', [october, 'yyyyMMdd'], '20241010'],
    ['DATETIMEFORMAT', [october, 'yyyy-MM-dd [HH:mm:ss]'], '2024-10-10 [14:40:20]'],
    [
      'DATETIMEFORMAT',
      [october, 'To\\da\\y i\\s: yyyy-MM-ddTHH:mm:ss.fff'],
      'Today is: 2024-10-10T14:40:20.000',
    ],
    [
      'DATETIMEFORMAT',
      [october, 'To\\da\\y i\\s: yyyy-MM-ddTHH:mm:ss.FFF'],
      'Today is: 2024-10-10T14:40:20.',
    ],
    [
      'DATETIMEFORMAT',
      [october, "ddd, d MMM yy, h:mm t; dddd MMMM tt 'day'"],
      'Thu, 10 Oct 24, 2:40 P; Thursday October PM day',
    ],
    ['DATETIMEFORMAT', ['2024-01-05T00:07:09.0500000Z', 'M/d h:m:s.fffffff FF'], '1/5 12:7:9.0500000 05'],
    ['DATETIMEFORMAT', ['1960-02-29', 'dddd'], 'Monday'],
    ['DATETIMEFORMAT', ['x', 'd'], undefined],
    ['DATETIMEFROMPARTS', [2017, 4, 20], '2017-04-20T00:00:00.0000000Z'],
    ['DATETIMEFROMPARTS', [2017, 4, 20, 13, 15, 20, 3456789], '2017-04-20T13:15:20.3456789Z'],
    ['DATETIMEFROMPARTS', [2017, 4, 20, 13, 15], '2017-04-20T13:15:00.0000000Z'],
    ['DATETIMEFROMPARTS', [1, 1, 1], '0001-01-01T00:00:00.0000000Z'],
    ['DATETIMEFROMPARTS', [-2000, -1, -1], undefined],
    ['DATETIMEFROMPARTS', [2023, 2, 29], undefined],
    ['DATETIMEFROMPARTS', [2023, 2, 28, 24], undefined],
    ['DATETIMEFROMPARTS', [2023, 2, 28, 23, 59, 59, 10_000_000], undefined],
    ['DATETIMEFROMPARTS', [2023, 2, 1.5], undefined],
    ['DATETIMEPART', ['yyyy', moment], 2016],
    ['DATETIMEPART', ['mm', moment], 5],
    ['DATETIMEPART', ['dd', moment], 29],
    ['DATETIMEPART', ['hh', moment], 8],
    ['DATETIMEPART', ['mi', moment], 30],
    ['DATETIMEPART', ['ss', moment], 0],
    ['DATETIMEPART', ['ms', moment], 130],
    ['DATETIMEPART', ['mcs', moment], 130_161],
    ['DATETIMEPART', ['ns', moment], 130_161_700],
    ['DATETIMEPART', ['hour', '1969-12-31T23:59:59.5'], 23],
    ['DATETIMEPART', ['century', moment], undefined],
    ['DATETIMETOTICKS', ['2020-01-02T03:04:05.6789123Z'], 15_779_342_456_789_124],
    ['DATETIMETOTICKS', ['2020-01-02T03:04:05'], 15_779_342_450_000_000],
    ['DATETIMETOTIMESTAMP', ['2020-07-09T23:20:13.4575530Z'], 1_594_336_813_457],
    ['DATETIMETOTIMESTAMP', ['1969-12-31T23:59:59.9999999Z'], -1],
    ['DAY', ['2024-01-10T14:15:20'], 10],
    ['MONTH', ['1989-03-03T12:12:12.1234567Z'], 3],
    ['YEAR', ['2000-10-10'], 2000],
    ['YEAR', [2000], undefined],
    ['TICKSTODATETIME', [15_943_368_134_575_530], '2020-07-09T23:20:13.4575530Z'],
    ['TICKSTODATETIME', [1e300], undefined],
    ['TIMESTAMPTODATETIME', [1_594_227_912_345], '2020-07-08T17:05:12.3450000Z'],
    ['TIMESTAMPTODATETIME', [-1], '1969-12-31T23:59:59.9990000Z'],
    ['TIMESTAMPTODATETIME', ['1'], undefined],
    ['TIMESTAMPTODATETIME', [Number.NaN], undefined],
    ['GETCURRENTDATETIME', [], '2024-10-14T14:20:30.6660000Z'],
    ['GETCURRENTDATETIMESTATIC', [], '2024-10-14T14:20:30.6660000Z'],
    ['GETCURRENTTICKS', [], now * 10_000],
    ['GETCURRENTTICKSSTATIC', [], now * 10_000],
    ['GETCURRENTTIMESTAMP', [], now],
    ['GETCURRENTTIMESTAMPSTATIC', [], now],
  ])('%s(%j) is %j', (name, values, expected) => {
    expect(call(name, values)).toEqual(expected);
  });

  it.each([
    ['year', 'yyyy', 'yy'],
    ['month', 'mm', 'm'],
    ['day', 'dd', 'd'],
    ['hour', 'hh'],
    ['minute', 'mi', 'n'],
    ['second', 'ss', 's'],
    ['millisecond', 'ms'],
    ['microsecond', 'mcs'],
    ['nanosecond', 'ns'],
  ])('know %s by its abbreviations', (name, ...abbreviations) => {
    const full = call('DATETIMEADD', [name, 1000, moment]);
    expect(full).toBeTypeOf('string');
    for (const short of [...abbreviations, name.toUpperCase()]) {
      expect(call('DATETIMEADD', [short, 1000, moment])).toBe(full);
    }
  });

  it.each<[string, Value]>([
    ['2024-02-29', '2024-02-29T00:00:00.0000000Z'],
    ['2024-02-29T01:02', '2024-02-29T01:02:00.0000000Z'],
    ['2024-02-29T01:02:03Z', '2024-02-29T01:02:03.0000000Z'],
    ['2024-02-29 01:02:03.5', '2024-02-29T01:02:03.5000000Z'],
    ['2024-02-29T01:02:03.12345678Z', '2024-02-29T01:02:03.1234567Z'],
    ['2024-02-29T01:02:03+02:30', '2024-02-28T22:32:03.0000000Z'],
    ['2024-02-29T01:02:03-02:30', '2024-02-29T03:32:03.0000000Z'],
    ['0001-01-01T00:00:00+01:00', undefined],
    ['0000-01-01', undefined],
    ['2023-02-29', undefined],
    ['2024-13-01', undefined],
    ['2024-02-29T24:00:00', undefined],
    ['2024-02-29T23:60:00', undefined],
    ['2024-2-9', undefined],
    ['Thu, 29 Feb 2024', undefined],
    ['', undefined],
  ])('read %j as ISO 8601 or not at all', (text, expected) => {
    expect(call('DATETIMEADD', ['day', 0, text])).toBe(expected);
  });
});

import { describe, expect, it } from 'vitest';
import { wellKnownKey } from './authorization/master-key.ts';
import { parseCommandLine, UsageError } from './command-line.ts';

describe('the command line', () => {
  it('serves on the usual port with the usual key unless it is told otherwise', () => {
    expect(parseCommandLine([])).toEqual({
      kind: 'serve',
      emulator: { key: wellKnownKey, consistency: 'Session', durability: 'process' },
      listen: { port: 8081, host: 'localhost', tls: false },
      certificateFile: undefined,
    });
    const args =
      '--port=0 --tls --cert c.pem --partitions 4 --key YQ== --host :: --consistency eventual --data d --durability power';
    expect(parseCommandLine(args.split(' '))).toEqual({
      kind: 'serve',
      emulator: { key: 'YQ==', partitions: 4, consistency: 'Eventual', durability: 'power', data: 'd' },
      listen: { port: 0, host: '::', tls: true },
      certificateFile: 'c.pem',
    });
  });

  it('asks for help or the version', () => {
    expect(parseCommandLine(['-h', '--tls'])).toEqual({ kind: 'help' });
    expect(parseCommandLine(['--version'])).toEqual({ kind: 'version' });
  });

  it.each([
    [['--port'], "Option '--port <value>' argument missing"],
    [['--port', 'x'], "--port has to be a number from 0 to 65535, not 'x'."],
    [['--port', '65536'], "--port has to be a number from 0 to 65535, not '65536'."],
    [['--port', ''], "--port has to be a number from 0 to 65535, not ''."],
    [['--partitions', '0'], "--partitions has to be a number from 1 to 100, not '0'."],
    [['--key', 'no base64'], '--key has to be base64.'],
    [['--consistency', 'none'], '--consistency has to be one of Strong, BoundedStaleness, Session'],
    [['--durability', 'none'], '--durability has to be one of process, power'],
    [['--cert', 'x.pem'], '--cert makes sense with --tls only.'],
    [['serve'], "Unexpected argument 'serve'"],
    [['--tls=yes'], "Option '--tls' does not take an argument"],
  ])('refuses %j in one line', (args, message) => {
    expect(() => parseCommandLine(args)).toThrow(UsageError);
    expect(() => parseCommandLine(args)).toThrow(message);
    expect(() => parseCommandLine(args)).not.toThrow(/\n/);
  });
});

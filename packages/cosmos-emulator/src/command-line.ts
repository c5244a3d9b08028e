import { parseArgs } from 'node:util';
import { wellKnownKey } from './authorization/master-key.ts';
import { consistencyLevels } from './consistency.ts';
import { durabilities } from './data-folder/data-folder.ts';
import type { CosmosEmulatorOptions } from './emulator.ts';
import type { ListenOptions } from './server.ts';

/** What the command was asked to do. */
export type Command =
  | { readonly kind: 'help' | 'version' }
  | {
      readonly kind: 'serve';
      readonly emulator: CosmosEmulatorOptions & { readonly key: string };
      readonly listen: ListenOptions;
      /** Where to write the certificate that clients have to trust. */
      readonly certificateFile: string | undefined;
    };

/** The command line makes no sense; the message says in one line why. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** What `--help` prints. */
export const help = `An Azure Cosmos DB account for development and tests, over HTTP or HTTPS.

Usage: cosmos-emulator [options]

  --port N             TCP port, 0 for any that is free (8081)
  --host H             name or address to listen on (localhost: both loopback addresses)
  --tls                serve HTTPS, with a certificate made at the start
  --cert FILE          write the certificate that clients have to trust, for NODE_EXTRA_CA_CERTS
  --data DIR           keep the data in this folder, which outlives the process (none: in memory)
  --durability D       what a write to the folder survives: process, the end of this process; power,
                       the loss of power as well (process)
  --partitions N       physical partitions of each new container, from 1 to 100 (by its throughput: one for
                       each 6,000 RU/s, or 10,000 RU/s with autoscale)
  --key K              account key in base64 (the well-known key of the emulators)
  --consistency LEVEL  default consistency of the account: ${consistencyLevels.join(', ')} (Session)
  --help, --version
`;

const options = {
  port: { type: 'string', default: '8081' },
  host: { type: 'string', default: 'localhost' },
  tls: { type: 'boolean', default: false },
  cert: { type: 'string' },
  data: { type: 'string' },
  durability: { type: 'string', default: 'process' },
  partitions: { type: 'string' },
  key: { type: 'string', default: wellKnownKey },
  consistency: { type: 'string', default: 'Session' },
  help: { type: 'boolean', short: 'h', default: false },
  version: { type: 'boolean', short: 'v', default: false },
} as const;

/** Understands the arguments of the command. Throws a `UsageError`. */
export function parseCommandLine(args: readonly string[]): Command {
  const values = parsed(args);
  if (values.help) return { kind: 'help' };
  if (values.version) return { kind: 'version' };
  const { key, host, tls, cert, data, partitions } = values;
  if (cert !== undefined && !tls) throw new UsageError('--cert makes sense with --tls only.');
  if (key === '' || Buffer.from(key, 'base64').toString('base64') !== key) {
    throw new UsageError('--key has to be base64.');
  }
  return {
    kind: 'serve',
    emulator: {
      key,
      consistency: oneOf('--consistency', values.consistency, consistencyLevels),
      durability: oneOf('--durability', values.durability, durabilities),
      ...(partitions === undefined ? {} : { partitions: integer('--partitions', partitions, [1, 100]) }),
      ...(data === undefined ? {} : { data }),
    },
    listen: { port: integer('--port', values.port, [0, 65_535]), host, tls },
    certificateFile: cert,
  };
}

function parsed(
  args: readonly string[],
): ReturnType<typeof parseArgs<{ options: typeof options }>>['values'] {
  try {
    return parseArgs({ args: [...args], options, strict: true }).values;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UsageError(error.message.replaceAll('\n', ' '));
  }
}

function integer(name: string, text: string, [least, most]: readonly [number, number]): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new UsageError(`${name} has to be a number from ${least} to ${most}, not '${text}'.`);
}

function oneOf<T extends string>(name: string, text: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice.toLowerCase() === text.toLowerCase());
  if (found !== undefined) return found;
  throw new UsageError(`${name} has to be one of ${choices.join(', ')}, not '${text}'.`);
}

import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import {
  type CallOptions,
  type Clock,
  type ConfigSource,
  type Duration,
  InvalidOptionsError,
  systemClock,
  toMs,
  watchByPolling,
} from '@polyphase/core';
import { configJson } from './config-json.ts';

/** What {@link configFromFile} takes beside the path. */
export interface ConfigFileOptions {
  /** Pause between two looks at the file, in milliseconds or as text. @default "1s" */
  readonly poll?: Duration;
  /** Where time comes from. @default the machine's clock */
  readonly clock?: Clock;
}

/**
 * The config in a JSON file, which a hybrid takes again whenever the file changes.
 *
 * The file is looked at again and again, so that mounted volumes and links that are moved count as well. Replace it by renaming another
 * over it: then no look ever sees half a file. A file that is half written, or gone, is refused with the notice `configKept`, and the
 * running config stays until the file is whole again.
 *
 * @throws `InvalidOptionsError` when the pause is no duration above 0
 *
 * @example
 * ```ts
 * import { configFromFile } from '@polyphase/hybrid';
 *
 * const config = configFromFile('/etc/app/polyphase.json', { poll: '5s' });
 * ```
 */
export function configFromFile(path: string, options: ConfigFileOptions = {}): ConfigSource {
  const file = resolve(path);
  const { clock = systemClock } = options;
  const pollMs = toMs(options.poll ?? '1s', 'poll');
  if (pollMs <= 0) throw new InvalidOptionsError({ message: 'poll must be longer than 0' });
  return {
    read: async ({ signal }: CallOptions = {}) => {
      signal?.throwIfAborted();
      let text: string;
      try {
        text = await readFile(file, 'utf8');
      } catch (error) {
        throw new InvalidOptionsError({ message: `The config file ${path} cannot be read`, cause: error });
      }
      signal?.throwIfAborted();
      return { loaded: configJson(text, `The config file ${path}`) };
    },
    watch: ({ signal }) =>
      watchByPolling({
        look: () => readFile(file, 'utf8').catch(() => undefined),
        pollMs,
        clock,
        signal,
      }),
  };
}

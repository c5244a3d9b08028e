import { InvalidOptionsError } from './errors.ts';

/** A length of time: milliseconds, or a number with its unit such as `"250ms"`, `"30s"`, `"5m"`, `"1h"`, `"7d"`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds of a duration, or undefined where the text is none. */
export function parseDuration(duration: unknown): number | undefined {
  if (typeof duration === 'number') return Number.isFinite(duration) && duration >= 0 ? duration : undefined;
  const match = typeof duration === 'string' ? /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(duration) : null;
  const unit = match?.[2];
  if (!match || (unit !== 'ms' && unit !== 's' && unit !== 'm' && unit !== 'h' && unit !== 'd'))
    return undefined;
  return Number(match[1]) * UNITS[unit];
}

/**
 * Milliseconds of a duration.
 *
 * @throws {@link InvalidOptionsError} when it is negative, not finite, or not of the form `"5m"`
 */
export function toMs(duration: Duration, name: string): number {
  const ms = parseDuration(duration);
  if (ms === undefined)
    throw new InvalidOptionsError({
      message: `${name} must be milliseconds, or text such as "250ms" or "5m"; it must not be negative`,
    });
  return ms;
}

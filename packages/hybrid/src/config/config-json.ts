import { InvalidOptionsError } from '@polyphase/core';

/**
 * The value of a JSON text.
 *
 * @throws `InvalidOptionsError` that says where the text is wrong, and shows none of it: the engine's own error quotes the text
 */
export function configJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    const where = error instanceof Error ? /\((line \d+ column \d+)\)/.exec(error.message)?.[1] : undefined;
    throw new InvalidOptionsError({ message: `${what} is no JSON${where ? `: see ${where}` : ''}` });
  }
}

import { createHash } from 'node:crypto';

/** A Lua script over one key, as EVAL and EVALSHA take it. */
export interface RedisScript {
  /** What errors call it. */
  readonly name: string;
  readonly text: string;
  /** SHA-1 of the text, under which Redis keeps it. */
  readonly sha: string;
}

/**
 * A script with the digest that EVALSHA asks for. The Lua text lives in a TypeScript module named after the script and its
 * number of keys: a plain `.lua` file would need a loader when sources run without a build.
 */
export function redisScript(name: string, text: string): RedisScript {
  return { name, text, sha: createHash('sha1').update(text).digest('hex') };
}

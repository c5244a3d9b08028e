import { UnsupportedError } from '@polyphase/core';

// A statement begins behind white space, comments and empty statements; comments of PostgreSQL nest.
const SKIPPED = /^(?:[\s;]+|--[^\n\r]*)/;
const COMMENT_MARKS = /\/\*|\*\//g;

const ENDS =
  'the unit begins, commits and rolls back by itself, and a statement that fails is not taken back alone';
const STAYS = 'it would outlast the unit on a connection that others get';

// First words, as PostgreSQL's grammar has them.
const REFUSED: Readonly<Record<string, string>> = {
  begin: ENDS,
  start: ENDS,
  commit: ENDS,
  end: ENDS,
  rollback: ENDS,
  abort: ENDS,
  savepoint: ENDS,
  release: ENDS,
  prepare: STAYS,
  deallocate: STAYS,
  discard: STAYS,
  reset: STAYS,
  listen: STAYS,
  unlisten: STAYS,
  load: STAYS,
};

/**
 * Refuses what would end the unit's transaction, or outlast it. The driver sends one statement at a time, so the first word tells.
 *
 * @throws {@link UnsupportedError} for such a statement
 */
export function checkStatement(text: string): void {
  const [first = '', second = ''] = afterComments(text)
    .toLowerCase()
    .split(/[^a-z]+/, 2);
  const why = first === 'set' ? whySet(second) : REFUSED[first];
  if (why !== undefined)
    throw new UnsupportedError({
      message: `${first.toUpperCase()} has no place inside a unit of work: ${why}`,
    });
}

function whySet(what: string): string | undefined {
  if (what === 'local' || what === 'constraints') return undefined;
  return what === 'transaction' ? ENDS : `${STAYS}; use SET LOCAL`;
}

function afterComments(text: string): string {
  let rest = text;
  for (;;) {
    const skipped = rest.startsWith('/*') ? endOfComment(rest) : (SKIPPED.exec(rest)?.[0].length ?? 0);
    if (skipped === 0) return rest;
    rest = rest.slice(skipped);
  }
}

function endOfComment(text: string): number {
  let depth = 0;
  for (const mark of text.matchAll(COMMENT_MARKS)) {
    depth += mark[0] === '/*' ? 1 : -1;
    if (depth === 0) return mark.index + 2;
  }
  return text.length;
}

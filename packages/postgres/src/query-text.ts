/** A text bound that PostgreSQL can hold, which the same texts are below and above. */
export interface TextBound {
  readonly text: string;
  /** The operator that means the same with `text`. */
  readonly operator: '<' | '<=' | '>' | '>=';
}

/** Whether PostgreSQL can hold a text: no stored text is, or begins with, or contains another. */
export function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}

/**
 * A bound for comparisons with stored texts, by code point.
 *
 * A stored text is above `a\0…` when it is above `a`, since nothing but NUL comes before every character. It is above
 * `a<lone surrogate>…` when it is not below `a\uE000`, since no stored text has a character in between.
 */
export function storableBound(operator: 'lt' | 'lte' | 'gt' | 'gte', text: string): TextBound {
  const below = operator === 'lt' || operator === 'lte';
  const characters = Array.from(text);
  const at = characters.findIndex((char) => !isStorable(char));
  if (at < 0) {
    const symbols = { lt: '<', lte: '<=', gt: '>', gte: '>=' } as const;
    return { text, operator: symbols[operator] };
  }
  const before = characters.slice(0, at).join('');
  if (characters[at] === '\0') return { text: before, operator: below ? '<=' : '>' };
  return { text: `${before}\uE000`, operator: below ? '<' : '>=' };
}

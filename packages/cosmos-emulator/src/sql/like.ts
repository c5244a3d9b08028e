const special = /[.*+?^${}()|[\]\\/-]/g;

/**
 * Turns a LIKE pattern into a regular expression: `%` is any text, `_` one character, `[a-f]` and `[^a-f]` sets, and
 * the character after the escape stands for itself.
 */
export function likePattern(pattern: string, escape: string | undefined): RegExp {
  let source = '';
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern.charAt(at);
    if (escape !== undefined && character === escape) {
      source += quote(pattern.charAt(++at));
    } else if (character === '%') {
      // Two in a row match what one does; leaving one out keeps the match from running away.
      if (pattern.charAt(at + 1) !== '%') source += '[\\s\\S]*';
    } else if (character === '_') {
      source += '[\\s\\S]';
    } else if (character === '[' && pattern.indexOf(']', at + 1) > 0) {
      const end = pattern.indexOf(']', at + 1);
      source += setOf(pattern.slice(at + 1, end));
      at = end;
    } else {
      source += quote(character);
    }
  }
  return new RegExp(`^${source}$`);
}

function quote(text: string): string {
  return text.replace(special, '\\$&');
}

function setOf(members: string): string {
  const negated = members.startsWith('^');
  const listed = (negated ? members.slice(1) : members).replace(/[\]\\^]/g, '\\$&');
  return listed === '' ? '(?!)' : `[${negated ? '^' : ''}${listed}]`;
}

import { cost, type Spend } from './allowance.ts';

/** Tests one character of the text. */
type CharacterTest = (character: string) => boolean;

/** One step of a pattern: a test for the next character, or `any` for a run of any length. */
type Step = CharacterTest | 'any';

/**
 * Compiles a LIKE pattern: `%` is any text, `_` one character, `[a-f]` and `[^a-f]` sets, and the character after the
 * escape stands for itself. Matching takes at most the length of the text times that of the pattern, and spends what
 * it takes: a regular expression would run away on patterns with many `%`.
 */
export function compileLike(
  pattern: string,
  escape: string | undefined,
): (text: string, spend: Spend) => boolean {
  const steps = stepsOf(pattern, escape);
  return (text, spend) => matches(steps, text, spend);
}

function stepsOf(pattern: string, escape: string | undefined): Step[] {
  const steps: Step[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern.charAt(at);
    const close = character === '[' ? pattern.indexOf(']', at + 1) : -1;
    if (character === escape) steps.push(literal(pattern.charAt(++at)));
    else if (character === '%') steps.push('any');
    else if (character === '_') steps.push(() => true);
    else if (close > 0) {
      steps.push(setOf(pattern.slice(at + 1, close)));
      at = close;
    } else steps.push(literal(character));
  }
  return steps;
}

function literal(wanted: string): CharacterTest {
  return (character) => character === wanted;
}

function setOf(members: string): CharacterTest {
  const negated = members.startsWith('^');
  const listed = negated ? members.slice(1) : members;
  return (character) => inSet(listed, character) !== negated;
}

/** `a-f` stands for a range, anything else for itself. */
function inSet(listed: string, character: string): boolean {
  for (let at = 0; at < listed.length; at++) {
    const first = listed.charAt(at);
    const isRange = listed.charAt(at + 1) === '-' && at + 2 < listed.length;
    if (!isRange && character === first) return true;
    if (!isRange) continue;
    if (character >= first && character <= listed.charAt(at + 2)) return true;
    at += 2;
  }
  return false;
}

/** When a step fails, only the last `%` needs to take one character more: earlier ones can have no better place. */
function matches(steps: readonly Step[], text: string, spend: Spend): boolean {
  let at = 0;
  let step = 0;
  let resumeStep = -1;
  let resumeAt = 0;
  while (at < text.length) {
    const test = steps[step];
    if (test === 'any') {
      resumeStep = ++step;
      resumeAt = at;
    } else if (test?.(text.charAt(at)) === true) {
      at++;
      step++;
    } else if (resumeStep >= 0) {
      spend((1 + at - resumeAt) * cost.character);
      step = resumeStep;
      at = ++resumeAt;
    } else {
      return false;
    }
  }
  while (steps[step] === 'any') step++;
  return step === steps.length;
}

/** Says whether all, or any, of the answers are true; undefined where that hangs on one that is undefined. */
export function combined(
  rule: 'all' | 'any',
  answers: ReadonlyArray<boolean | undefined>,
): boolean | undefined {
  const decisive = rule === 'any';
  if (answers.some((answer) => answer === decisive)) return decisive;
  return answers.some((answer) => answer === undefined) ? undefined : !decisive;
}

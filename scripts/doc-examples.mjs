// Finds the TypeScript that documentation shows: ```ts blocks of Markdown, and @example blocks of doc comments.
import { readFileSync } from 'node:fs';
import ts from 'typescript';

const FENCE = /^([ \t]*)(`{3,}|~{3,})[ \t]*([^\n`]*)$/;
const CODE = new Set(['ts', 'tsx', 'mts', 'cts', 'typescript', 'js', 'jsx', 'mjs', 'cjs', 'javascript']);
const CONTINUES = /^<!--\s*continues\s*-->$/;

/** `{ file, line, code }` per block; `line` is where the code starts. A block marked `continues` joins the one before. */
export function* markdownExamples(file, text = readFileSync(file, 'utf8'), offset = 0) {
  const lines = text.split('\n');
  let pending;
  for (let at = 0; at < lines.length; at++) {
    const open = FENCE.exec(lines[at]);
    if (open === null) continue;
    const [, indent, marks, info] = open;
    const end = lines.findIndex(
      (line, index) => index > at && line.trim().startsWith(marks) && /^\s*[`~]+\s*$/.test(line),
    );
    const last = end === -1 ? lines.length : end;
    const body = lines
      .slice(at + 1, last)
      .map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line));
    const [language = '', ...rest] = info.trim().split(/\s+/);
    if (CODE.has(language)) {
      const start = offset + at + 2;
      if (language !== 'ts' || rest.length > 0) {
        yield {
          file,
          line: start - 1,
          fault: `a block of code is tagged "ts" and nothing else, not "${info.trim()}"`,
        };
      } else if (pending !== undefined && CONTINUES.test(precedingLine(lines, at))) {
        // the lines between the two keep their place, so that faults are reported where they are
        pending.code +=
          '\n'.repeat(start - pending.line - pending.code.split('\n').length + 1) + body.join('\n');
      } else {
        if (pending !== undefined) yield pending;
        pending = { file, line: start, code: body.join('\n') };
      }
    }
    at = last;
  }
  if (pending !== undefined) yield pending;
}

function precedingLine(lines, at) {
  for (let index = at - 1; index >= 0; index--) if (lines[index].trim() !== '') return lines[index].trim();
  return '';
}

/** The same for the `@example` blocks of a source file, fenced or not. */
export function* commentExamples(file) {
  const text = readFileSync(file, 'utf8');
  if (!text.includes('@example')) return;
  const lineOf = ts.createSourceFile(file, text, ts.ScriptTarget.Latest).getLineStarts();
  for (const comment of text.matchAll(/\/\*\*[\s\S]*?\*\//g)) {
    const first = lineOf.findLastIndex((start) => start <= comment.index);
    const lines = comment[0]
      .split('\n')
      .map((line) => line.replace(/^\s*\/?\*+\/? ?/, '').replace(/\s*\*+\/$/, ''));
    for (let at = 0; at < lines.length; at++) {
      if (!/^@example\b/.test(lines[at])) continue;
      const next = lines.findIndex(
        (line, index) => index > at && /^@[a-zA-Z]+\b/.test(line) && !inFence(lines, at, index),
      );
      const body = lines.slice(at + 1, next === -1 ? lines.length : next);
      const start = first + at + 2;
      if (body.some((line) => FENCE.test(line))) yield* markdownExamples(file, body.join('\n'), start - 1);
      else yield { file, line: start, code: body.join('\n') };
    }
  }
}

function inFence(lines, from, to) {
  return lines.slice(from, to).filter((line) => FENCE.test(line)).length % 2 === 1;
}

// What of the house style a machine can check and the linter does not: size, names, exports, documentation.
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import ts from 'typescript';
import { filesBelow, isTest, packages, report, shown } from './workspace.mjs';

const FILE_LINES = 250;
const FILE_LINES_HARD = 400; // more needs "// size: <reason>" on the first line
const FUNCTION_LINES = 40;
const PARAMETERS = 3;
const VAGUE = /^(utils?|helpers?|common|misc|managers?|types|interfaces|lib)\.ts$/;

/** Lines that hold code: neither empty nor comment alone. */
function codeLines(source, node = source) {
  const lines = new Set();
  const visit = (child) => {
    if (child.getChildCount(source) === 0 && child.kind !== ts.SyntaxKind.EndOfFileToken) {
      const first = source.getLineAndCharacterOfPosition(child.getStart(source)).line;
      const last = source.getLineAndCharacterOfPosition(child.getEnd()).line;
      for (let line = first; line <= last; line++) lines.add(line);
    }
    for (const grandchild of child.getChildren(source)) {
      if (!ts.isJSDoc(grandchild)) visit(grandchild);
    }
  };
  visit(node);
  return lines.size;
}

const isExported = (node) =>
  ts.canHaveModifiers(node) &&
  (ts.getModifiers(node) ?? []).some((modifier) => modifier.kind === ts.SyntaxKind.ExportKeyword);

function* fileFindings(source, text) {
  const lines = codeLines(source);
  const reason = /^\/\/ size: \S/.test(text);
  if (lines > FILE_LINES_HARD && !reason) yield [source, `${lines} code lines without a "// size:" reason`];
  else if (lines > FILE_LINES && !reason) yield [source, `note: ${lines} code lines`];
  if (VAGUE.test(basename(source.fileName))) yield [source, 'a name that says nothing'];
  for (const word of text.matchAll(/\b(TODO|FIXME|HACK)\b/g))
    yield [source, `${word[0]} is not a place for work`];
}

function* statementFindings(node) {
  if (ts.isExportAssignment(node)) yield [node, 'a default export'];
  if (ts.isExportDeclaration(node) && node.exportClause === undefined) {
    yield [node, 'export *: name the public API'];
  }
  if (isExported(node) && ts.getJSDocCommentsAndTags(node).length === 0) {
    yield [node, 'exported without a doc comment'];
  }
}

function* expressionFindings(node, source) {
  if (ts.isAsExpression(node) && ts.isAsExpression(node.expression)) {
    const before = node.expression.type;
    if (before.kind === ts.SyntaxKind.UnknownKeyword) yield [node, 'note: as unknown as'];
  }
  if (!ts.isFunctionLike(node) || node.body === undefined) return;
  const name = node.name?.getText(source) ?? 'a function';
  if (node.parameters.length > PARAMETERS)
    yield [node, `note: ${name} takes ${node.parameters.length} parameters`];
  const lines = codeLines(source, node);
  if (lines > FUNCTION_LINES) yield [node, `note: ${name} has ${lines} code lines`];
}

function* findingsIn(source, text) {
  yield* fileFindings(source, text);
  for (const statement of source.statements) yield* statementFindings(statement);
  const queue = [...source.statements];
  for (let node = queue.pop(); node !== undefined; node = queue.pop()) {
    yield* expressionFindings(node, source);
    node.forEachChild((child) => void queue.push(child));
  }
}

const findings = [];
let looked = 0;
for (const { home } of packages()) {
  for (const file of filesBelow(join(home, 'src'))) {
    if (!file.endsWith('.ts') || isTest(file)) continue;
    looked += 1;
    const text = readFileSync(file, 'utf8');
    const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
    for (const [node, what] of findingsIn(source, text)) {
      const line = ts.isSourceFile(node) ? 1 : source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
      const finding = `${shown(file)}:${line}: ${what}`;
      if (what.startsWith('note:')) console.log(finding);
      else findings.push(finding);
    }
  }
}
report(findings, `style of ${looked} files`);

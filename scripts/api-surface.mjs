// The declaration surface of each package, from its built declarations, committed as etc/<package>.api.md so that an
// API change shows in review.
//   node scripts/api-surface.mjs            compare; differences fail
//   node scripts/api-surface.mjs --write    accept what is built
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { entries, packages, report, root, shown } from './workspace.mjs';

const etc = join(root, 'etc');
const write = process.argv.includes('--write');
const printer = ts.createPrinter({ removeComments: true, newLine: ts.NewLineKind.LineFeed });

/** A declaration as it reads to a user: without comments, and by the name it is exported under. */
function print(declaration) {
  const statement = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;
  return printer
    .printNode(ts.EmitHint.Unspecified, statement, statement.getSourceFile())
    .replace(/^(export )?(declare )?/, '');
}

function surfaceOf(checker, file, entry) {
  const symbol = checker.getSymbolAtLocation(file);
  if (symbol === undefined) return [`## ${entry}`, '', 'Exports nothing.', ''];
  const exported = checker.getExportsOfModule(symbol).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const lines = exported.flatMap((alias) => {
    const target = alias.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(alias) : alias;
    const texts = (target.declarations ?? []).map(print);
    const renamed = target.name === alias.name ? [] : [`// ${target.name}, exported as ${alias.name}`];
    return [...renamed, ...texts, ''];
  });
  return [`## ${entry}`, '', '```ts', ...lines.slice(0, -1), '```', ''];
}

function reportOf({ manifest, home }) {
  const files = entries(manifest).map(([entry, target]) => [entry, join(home, target.types)]);
  const missing = files.find(([, file]) => !existsSync(file));
  if (missing !== undefined) throw new Error(`${shown(missing[1])} is not there: build first`);
  const program = ts.createProgram(
    files.map(([, file]) => file),
    { module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2023, skipLibCheck: true, types: [] },
  );
  const checker = program.getTypeChecker();
  const body = files.flatMap(([entry, file]) =>
    surfaceOf(checker, program.getSourceFile(file), `${manifest.name}${entry.slice(1)}`),
  );
  const head = [`# The API of ${manifest.name}`, '', 'Written by `npm run api -- --write`; do not edit.', ''];
  return [...head, ...body].join('\n');
}

if (!write && !existsSync(etc)) {
  console.log('no surface is committed yet: npm run build, then npm run api -- --write');
  process.exit();
}
mkdirSync(etc, { recursive: true });
const wanted = new Map(packages().map((pkg) => [`${pkg.name}.api.md`, reportOf(pkg)]));
const findings = [];
for (const name of readdirSync(etc).filter((file) => file.endsWith('.api.md') && !wanted.has(file))) {
  if (write) rmSync(join(etc, name));
  else findings.push(`etc/${name}: its package is gone`);
}
for (const [name, text] of wanted) {
  const file = join(etc, name);
  const committed = existsSync(file) ? readFileSync(file, 'utf8') : '';
  if (write) writeFileSync(file, text);
  else if (committed !== text) findings.push(`etc/${name}: ${firstDifference(committed, text)}`);
}
report(findings, `the surface of ${wanted.size} packages`);
if (findings.length > 0) console.log('if the change is meant: npm run api -- --write, and commit it');

function firstDifference(committed, built) {
  const [before, after] = [committed.split('\n'), built.split('\n')];
  const at = after.findIndex((line, index) => line !== before[index]);
  const index = at === -1 ? after.length : at;
  return `line ${index + 1} is "${before[index] ?? ''}" and was built as "${after[index] ?? ''}"`;
}

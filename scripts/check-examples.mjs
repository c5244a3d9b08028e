// Type-checks the code that the documentation shows, against the sources: each block is a module of its own.
// A Markdown block under a line <!-- continues --> belongs to the module of the block before it.
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { commentExamples, markdownExamples } from './doc-examples.mjs';
import { filesBelow, packages, report, root, shown } from './workspace.mjs';

const NOTED = new Set([6133, 6192, 6196, 6198]); // unused names: an example shows, it does not use

function* examples() {
  const pages = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md'].map((name) => join(root, name));
  for (const { home } of packages()) pages.push(join(home, 'README.md'));
  for (const file of filesBelow(join(root, 'docs'))) if (file.endsWith('.md')) pages.push(file);
  const generated = join(root, 'docs', 'api');
  for (const page of pages)
    if (existsSync(page) && !page.startsWith(generated)) yield* markdownExamples(page);
  for (const { home } of packages()) {
    for (const file of filesBelow(join(home, 'src'))) if (file.endsWith('.ts')) yield* commentExamples(file);
  }
}

/** Places whose dependencies an example may use, as a reader's own project would have them. */
function homes() {
  const folders = ['examples', 'packages'].map((name) => join(root, name)).filter((dir) => existsSync(dir));
  const found = folders.flatMap((dir) => readdirSync(dir).map((name) => join(dir, name, 'example.ts')));
  return [...found, join(root, 'test-support', 'example.ts'), join(root, 'example.ts')];
}

/** A compiler host that also knows the examples, and resolves what they import from any package that has it. */
function hostFor(options, modules) {
  const host = ts.createCompilerHost(options);
  const fileExists = host.fileExists.bind(host);
  const readFile = host.readFile.bind(host);
  const getSourceFile = host.getSourceFile.bind(host);
  host.fileExists = (name) => modules.has(name) || fileExists(name);
  host.readFile = (name) => modules.get(name)?.text ?? readFile(name);
  host.getSourceFile = (name, language, ...rest) => {
    const module = modules.get(name);
    if (module === undefined) return getSourceFile(name, language, ...rest);
    return ts.createSourceFile(name, module.text, language, true);
  };
  const cache = ts.createModuleResolutionCache(root, (name) => name, options);
  host.resolveModuleNameLiterals = (literals, containing, redirected, _options, source) =>
    literals.map((literal) => {
      const mode = ts.getModeForUsageLocation(source, literal, options);
      const from = modules.has(containing) ? [containing, ...homes()] : [containing];
      const tries = from.map((place) =>
        ts.resolveModuleName(literal.text, place, options, host, cache, redirected, mode),
      );
      return tries.find((answer) => answer.resolvedModule !== undefined) ?? tries[0];
    });
  return host;
}

const findings = [];
const modules = new Map();
let looked = 0;
for (const example of examples()) {
  looked += 1;
  if (example.fault !== undefined) {
    findings.push(`${shown(example.file)}:${example.line}: ${example.fault}`);
    continue;
  }
  // empty lines before the code, so that a fault has the line number that it has in the page
  const text = `${'\n'.repeat(example.line - 1)}${example.code}\n`;
  modules.set(join(dirname(example.file), `example-${looked}.ts`), { text, file: example.file });
}
const config = join(root, 'tsconfig.base.json');
const { options } = ts.parseJsonConfigFileContent(
  { extends: config, compilerOptions: { noEmit: true } },
  ts.sys,
  root,
);
const program = ts.createProgram([...modules.keys()], options, hostFor(options, modules));
for (const [name, { file }] of modules) {
  const source = program.getSourceFile(name);
  for (const fault of [
    ...program.getSyntacticDiagnostics(source),
    ...program.getSemanticDiagnostics(source),
  ]) {
    if (NOTED.has(fault.code)) continue;
    const line = source.getLineAndCharacterOfPosition(fault.start ?? 0).line + 1;
    findings.push(`${shown(file)}:${line}: ${ts.flattenDiagnosticMessageText(fault.messageText, '\n  ')}`);
  }
}
report(findings, `${looked} examples of the documentation`);

// What the other scripts know about the workspace: where it is, which packages it has, which files they hold.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const SKIPPED = new Set(['node_modules', 'dist', 'coverage', '.toolchain', '.polyphase', '.git']);

/** The checkout. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** A path as it is shown to people: below the checkout, with slashes. */
export const shown = (path) => relative(root, path).split(sep).join('/');

/** Every file below `dir`, in a stable order; nothing that is built or installed. */
export function* filesBelow(dir) {
  if (!existsSync(dir)) return;
  const found = readdirSync(dir, { withFileTypes: true });
  for (const entry of found.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) {
      if (!SKIPPED.has(entry.name)) yield* filesBelow(path);
    } else yield path;
  }
}

/** The published packages: folder name, home, manifest. */
export function packages() {
  const home = join(root, 'packages');
  return readdirSync(home)
    .filter((name) => existsSync(join(home, name, 'package.json')))
    .toSorted()
    .map((name) => ({
      name,
      home: join(home, name),
      manifest: JSON.parse(readFileSync(join(home, name, 'package.json'), 'utf8')),
    }));
}

/** The entries of a manifest that code can import: `.` and its like, without files such as package.json. */
export function entries(manifest) {
  return Object.entries(manifest.exports).filter(([, target]) => typeof target === 'object');
}

/** Whether a file of a package is there for tests and measurements alone. */
export const isTest = (path) => /\.test(-d)?\.ts$/.test(path) || /[/\\](test|fixtures|bench)[/\\]/.test(path);

/** Prints the findings of a check and sets the exit code; says what was looked at when there is none. */
export function report(findings, looked) {
  for (const finding of findings) console.log(finding);
  console.log(findings.length === 0 ? `${looked}: nothing to say` : `${looked}: ${findings.length} to mend`);
  if (findings.length > 0) process.exitCode = 1;
}

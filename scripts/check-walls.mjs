// The walls between packages: which sibling and which driver the sources of a package may import.
import { readFileSync } from 'node:fs';
import { dirname, resolve, sep } from 'node:path';
import ts from 'typescript';
import { filesBelow, isTest, packages, report, shown } from './workspace.mjs';

const SCOPE = '@polyphase/';

// A package that is not listed here adds its row before its first file.
const SIBLINGS = {
  core: [],
  postgres: ['core'],
  cosmos: ['core'],
  redis: ['core'],
  hybrid: ['core'],
  'cosmos-emulator': [],
};

// Each driver has one package that speaks it.
const DRIVERS = {
  pg: 'postgres',
  kysely: 'postgres',
  ioredis: 'redis',
  '@azure/cosmos': 'cosmos',
  '@azure/keyvault-secrets': 'hybrid',
};

// Core runs anywhere, so it has no Node.js in it, and a reader can count its dependencies.
const CORE_MAY = new Set(['zod', 'eventemitter3', '@standard-schema/spec']);

const packageOf = (specifier) =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

function declared({ dependencies = {}, peerDependencies = {} }) {
  return new Set([...Object.keys(dependencies), ...Object.keys(peerDependencies)]);
}

function faultOf(specifier, file, pkg) {
  if (specifier.startsWith('.')) {
    const inside = resolve(dirname(file), specifier).startsWith(pkg.home + sep);
    return inside ? undefined : 'leaves the package';
  }
  if (isTest(file)) return undefined; // tests may use every engine
  if (specifier.startsWith('node:')) return pkg.name === 'core' ? 'core has no Node.js in it' : undefined;
  const name = packageOf(specifier);
  if (name === pkg.manifest.name) return 'a package names its own files by path';
  if (name.startsWith(SCOPE)) {
    const sibling = name.slice(SCOPE.length);
    if (!SIBLINGS[pkg.name].includes(sibling)) return `${pkg.name} must not know ${sibling}`;
  }
  if (DRIVERS[name] !== undefined && DRIVERS[name] !== pkg.name)
    return `only ${DRIVERS[name]} speaks ${name}`;
  if (pkg.name === 'core' && !CORE_MAY.has(name)) return 'core depends on nothing but its listed few';
  return declared(pkg.manifest).has(name) ? undefined : 'neither a dependency nor a peer';
}

const findings = [];
let looked = 0;
for (const pkg of packages()) {
  if (SIBLINGS[pkg.name] === undefined) {
    findings.push(`packages/${pkg.name}: scripts/check-walls.mjs has no row for it`);
    continue;
  }
  for (const file of filesBelow(pkg.home)) {
    if (!file.endsWith('.ts') || file.endsWith('tsup.config.ts')) continue;
    looked += 1;
    const { importedFiles } = ts.preProcessFile(readFileSync(file, 'utf8'), true, true);
    for (const { fileName: specifier } of importedFiles) {
      const fault = faultOf(specifier, file, pkg);
      if (fault !== undefined) findings.push(`${shown(file)}: imports ${specifier}: ${fault}`);
    }
  }
}
report(findings, `walls of ${looked} files`);

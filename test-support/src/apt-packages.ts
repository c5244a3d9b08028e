import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const TIMEOUT_MS = 180_000;
const DEEPEST = 4;
const SOURCES = 'sources.list';
const KEYS = '/usr/share/keyrings/debian-archive-keyring.gpg';

/**
 * Downloads and unpacks packages of this Debian or Ubuntu release, or of another release that the same servers have, without root:
 * lists and archives live in our folder.
 */
export class AptPackages {
  readonly #home: string;
  readonly #release: string | undefined;
  readonly #options: readonly string[];

  /** `home` takes the unpacked tree, and apt's own state below `apt`. */
  constructor(home: string, release?: string) {
    this.#home = home;
    this.#release = release;
    const state = join(home, 'apt', 'state');
    const cache = join(home, 'apt', 'cache');
    for (const dir of [join(state, 'lists', 'partial'), join(cache, 'archives', 'partial')]) {
      mkdirSync(dir, { recursive: true });
    }
    const settings = [
      `Dir::State=${state}`,
      `Dir::State::lists=${join(state, 'lists')}`,
      'Dir::State::status=/var/lib/dpkg/status',
      `Dir::Cache=${cache}`,
      ...(release === undefined
        ? []
        : [`Dir::Etc::sourcelist=${join(home, 'apt', SOURCES)}`, 'Dir::Etc::sourceparts=/dev/null']),
      // as root, apt would hand downloads to a user that cannot enter our folder
      ...(process.getuid?.() === 0 ? ['APT::Sandbox::User=root'] : []),
    ];
    this.#options = ['-q', ...settings.flatMap((setting) => ['-o', setting])];
  }

  /** Where the dynamic linker finds the libraries of a tree, as `LD_LIBRARY_PATH`. */
  static libraryPath(home: string): string {
    const lib = join(home, 'usr', 'lib');
    const machines = existsSync(lib) ? readdirSync(lib).filter((name) => name.includes('-linux-')) : [];
    return [...machines.map((name) => join(lib, name)), lib].join(':');
  }

  /** Reads the package lists of the configured sources, or of the other release. */
  async update(): Promise<void> {
    if (!existsSync('/var/lib/dpkg/status')) throw new Error('not a Debian or Ubuntu system');
    if (this.#release !== undefined) await this.#useRelease(this.#release);
    await this.#call('apt-get', [...this.#options, 'update']);
  }

  // From wherever this system gets its own packages, checked with Debian's keys, which come with the system.
  async #useRelease(release: string): Promise<void> {
    const { stdout } = await run('apt-get', ['indextargets', '--format', '$(ORIGIN) $(REPO_URI) $(RELEASE)']);
    const own = stdout.split('\n').map((line) => line.split(' '));
    const [, server] = own.find(([origin, , name]) => origin === 'Debian' && /^\w+$/.test(name ?? '')) ?? [];
    if (server === undefined) throw new Error('no server of Debian packages is configured');
    writeFileSync(join(this.#home, 'apt', SOURCES), `deb [signed-by=${KEYS}] ${server} ${release} main\n`);
  }

  /** Downloads the packages and unpacks them into the tree, running none of their scripts. */
  async unpack(names: readonly string[]): Promise<void> {
    const archives = join(this.#home, 'apt', 'cache');
    const before = new Set(debs(archives));
    await this.#call('apt-get', [...this.#options, 'download', ...names], archives);
    for (const deb of debs(archives).filter((name) => !before.has(name))) {
      await this.#call('dpkg', ['-x', join(archives, deb), this.#home]);
    }
  }

  /** Adds what `owner` depends on, and what those packages depend on, until `program` finds every library. */
  async unpackMissingLibraries(owner: string, program: string): Promise<void> {
    const tried = new Set<string>();
    let level = [owner];
    for (let depth = 0; (await this.#misses(program)).length > 0; depth++) {
      const next = (await this.#dependencies(level)).filter((name) => !tried.has(name));
      if (next.length === 0 || depth === DEEPEST) {
        throw new Error(`${program} lacks ${(await this.#misses(program)).join(', ')}`);
      }
      for (const name of next) tried.add(name);
      await this.unpack(next);
      level = next;
    }
  }

  async #misses(program: string): Promise<string[]> {
    const { stdout } = await run('ldd', [program], {
      env: { ...process.env, LD_LIBRARY_PATH: AptPackages.libraryPath(this.#home) },
    });
    return [...stdout.matchAll(/^\s*(\S+) => not found/gm)].map((match) => match[1] ?? '');
  }

  /** Only what the system lacks: a second C library would not fit the system's loader. */
  async #dependencies(names: readonly string[]): Promise<string[]> {
    const listed = await this.#call('apt-cache', [...this.#options, 'depends', '--important', ...names]);
    const all = [...listed.matchAll(/^\s+(?:Pre)?Depends: ([a-z0-9][a-z0-9+.-]*)$/gm)].map(
      (match) => match[1] ?? '',
    );
    const installed = await run('dpkg-query', ['-W', '-f', '${Package} ${db:Status-Status}\\n']);
    const present = new Set(
      installed.stdout
        .split('\n')
        .flatMap((line) => (line.endsWith(' installed') ? [line.split(' ')[0]] : [])),
    );
    return [...new Set(all)].filter((name) => !present.has(name));
  }

  async #call(command: string, args: readonly string[], cwd: string = this.#home): Promise<string> {
    const env = { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
    const { stdout } = await run(command, args, {
      cwd,
      env,
      timeout: TIMEOUT_MS,
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout;
  }
}

function debs(dir: string): string[] {
  return readdirSync(dir).filter((name) => name.endsWith('.deb'));
}

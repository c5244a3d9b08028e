import { createHash } from 'node:crypto';
import { appendFileSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = new URL('../', import.meta.url);
// What the proof runs: its own sources, those of the product, and what starts engines.
const SOURCES = ['proof/**/*.ts', 'packages/*/src/**/*.ts', 'test-support/src/**/*.ts'];

function fingerprint(): string {
  const hash = createHash('sha256');
  for (const file of globSync(SOURCES, { cwd: fileURLToPath(ROOT) }).toSorted())
    hash.update(file).update(readFileSync(new URL(file, ROOT)));
  return hash.digest('hex');
}

/**
 * What is done already of a long proof, in a file that is written as it goes on: a proof that was ended goes on where it was. It begins
 * anew when a source has changed.
 */
export class Progress<Done> {
  readonly #file: URL;
  readonly #done = new Map<string, Done>();

  /**
   * @param name - what is proved: the name of the file, below `.polyphase/prove`
   * @param options - `anew`: what was done before does not count
   */
  constructor(name: string, options: { readonly anew?: boolean } = {}) {
    const folder = new URL('.polyphase/prove/', ROOT);
    mkdirSync(folder, { recursive: true });
    this.#file = new URL(`${name}.jsonl`, folder);
    const head = JSON.stringify({ sources: fingerprint() });
    if (options.anew === true || !this.#read(head)) writeFileSync(this.#file, `${head}\n`);
  }

  /** What is done. */
  get all(): readonly Done[] {
    return [...this.#done.values()];
  }

  /** Whether a piece is done. */
  has(piece: string): boolean {
    return this.#done.has(piece);
  }

  /** Notes that a piece is done. */
  add(piece: string, done: Done): void {
    this.#done.set(piece, done);
    appendFileSync(this.#file, `${JSON.stringify({ piece, done })}\n`);
  }

  #read(head: string): boolean {
    try {
      const [first, ...lines] = readFileSync(this.#file, 'utf8').trimEnd().split('\n');
      if (first !== head) return false;
      for (const line of lines) {
        const { piece, done } = JSON.parse(line) as { piece: string; done: Done };
        this.#done.set(piece, done);
      }
      return true;
    } catch {
      // Not there, or cut in the middle of a line: it begins anew.
      this.#done.clear();
      return false;
    }
  }
}

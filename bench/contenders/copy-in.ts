import type { Connection } from 'pg';

/** COPY of text into a table, as `pg-copy-streams` sends it: hand it to a client of pg. */
export class CopyIn {
  readonly done: Promise<void>;
  readonly #text: string;
  readonly #data: string;
  #end: (error?: unknown) => void = () => undefined;

  constructor(text: string, data: string) {
    this.#text = text;
    this.#data = data;
    this.done = new Promise((resolve, reject) => {
      this.#end = (error) => (error === undefined ? resolve() : reject(error));
    });
  }

  submit(connection: Connection): void {
    connection.query(this.#text);
  }

  handleCopyInResponse(connection: CopyConnection): void {
    connection.sendCopyFromChunk(Buffer.from(this.#data));
    connection.endCopyFrom();
  }

  handleCommandComplete(): void {
    // The end is ReadyForQuery.
  }

  handleError(error: unknown): void {
    this.#end(error);
  }

  handleReadyForQuery(): void {
    this.#end();
  }
}

interface CopyConnection {
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

/** A line of COPY's text format. */
export function copyLine(cells: readonly string[]): string {
  const escaped = cells.map((cell) =>
    cell.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t'),
  );
  return `${escaped.join('\t')}\n`;
}

import { closeSync, fdatasync, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import { DataFolderError } from './data-folder-error.ts';

const header = 'polyphase cosmos-emulator log 1\n';
const newline = 0x0a;
const chunkBytes = 1024 * 1024;
const checksumDigits = 8;
const flushed = promisify(fdatasync);

/**
 * A file of records, each a line: a checksum over itself and all lines before it, and JSON. A line that was cut short by
 * a crash was never acknowledged and is dropped when the file is opened; any other line that does not fit its checksum
 * means damage, and the file is refused.
 */
export class LogFile {
  readonly #path: string;
  readonly #descriptor: number;
  #length = 0;
  #checksum = crc32(header);

  private constructor(path: string, flags: 'wx' | 'r+') {
    this.#path = path;
    this.#descriptor = openSync(path, flags);
  }

  /** Writes a new file with these records, and returns when they are on the disk. Throws where it cannot. */
  static create(path: string, records: Iterable<string>): LogFile {
    const file = new LogFile(path, 'wx');
    try {
      file.#write(header);
      let lines = '';
      for (const record of records) {
        lines += file.#line(record);
        if (lines.length > chunkBytes) {
          file.#write(lines);
          lines = '';
        }
      }
      file.#write(lines);
      fsyncSync(file.#descriptor);
      return file;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Opens a file, hands its records on in their order, and drops a line that was cut short. Throws a `DataFolderError`. */
  static open(path: string, take: (record: string) => void): LogFile {
    const file = new LogFile(path, 'r+');
    try {
      let first = true;
      for (const line of file.#lines()) {
        if (first) file.#checkHeader(line);
        else take(file.#record(line));
        first = false;
        file.#length += line.length + 1;
      }
      if (first) file.#checkHeader(Buffer.alloc(0));
      ftruncateSync(file.#descriptor, file.#length);
      return file;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Length in bytes. */
  get length(): number {
    return this.#length;
  }

  /** Adds a record. When it returns, the record survives the end of this process. When it throws, nothing was added. */
  append(record: string): void {
    const checksum = this.#checksum;
    try {
      this.#write(this.#line(record));
    } catch (error) {
      // Its beginning may be in the file. The next record goes over it, and what is left has no end of line.
      this.#checksum = checksum;
      throw error;
    }
  }

  /** Waits until all records so far survive the loss of power. */
  async flush(): Promise<void> {
    await flushed(this.#descriptor);
  }

  /** Closes the file. */
  close(): void {
    closeSync(this.#descriptor);
  }

  #line(record: string): string {
    this.#checksum = crc32(record, this.#checksum);
    return `${hex(this.#checksum)} ${record}\n`;
  }

  #write(text: string): void {
    const bytes = Buffer.from(text);
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(this.#descriptor, bytes, done, bytes.length - done, this.#length + done);
    }
    this.#length += bytes.length;
  }

  #record(line: Buffer): string {
    const record = line.toString('utf8', checksumDigits + 1);
    this.#checksum = crc32(record, this.#checksum);
    if (line.toString('latin1', 0, checksumDigits + 1) !== `${hex(this.#checksum)} `) throw this.#damage();
    return record;
  }

  /** The lines that are complete. */
  *#lines(): Generator<Buffer> {
    let rest = Buffer.alloc(0);
    const chunk = Buffer.alloc(chunkBytes);
    for (let position = 0; ; ) {
      const read = readSync(this.#descriptor, chunk, 0, chunkBytes, position);
      if (read === 0) return;
      position += read;
      let bytes = Buffer.concat([rest, chunk.subarray(0, read)]);
      for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline)) {
        yield bytes.subarray(0, end);
        bytes = bytes.subarray(end + 1);
      }
      rest = bytes;
    }
  }

  #checkHeader(line: Buffer): void {
    if (`${line.toString('utf8')}\n` === header) return;
    const message = `'${this.#path}' is not a log that this version can read. Use the version of the emulator that wrote it, or another folder.`;
    throw new DataFolderError('UNKNOWN_FORMAT', message);
  }

  #damage(): DataFolderError {
    const message = `'${this.#path}' is damaged at byte ${this.#length}; nothing was changed. Restore the folder from a backup, or keep a copy of it and shorten the file to ${this.#length} bytes to go on with what was written before.`;
    return new DataFolderError('DAMAGED', message);
  }
}

function hex(checksum: number): string {
  return checksum.toString(16).padStart(checksumDigits, '0');
}

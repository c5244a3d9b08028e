/** Why a data folder cannot be used: another process has it, its content is damaged, or another version wrote it. */
export type DataFolderProblem = 'IN_USE' | 'DAMAGED' | 'UNKNOWN_FORMAT';

/** A data folder cannot be used as it is. Nothing in it was changed; the message says what to do. */
export class DataFolderError extends Error {
  override readonly name = 'DataFolderError';
  readonly code: DataFolderProblem;

  constructor(code: DataFolderProblem, message: string) {
    super(message);
    this.code = code;
  }
}

import type { DocumentStore, RelationalStore } from '@polyphase/core';

/** Both stores of a drill, or of what it is for. */
export interface DrillStores {
  readonly cosmos: DocumentStore;
  readonly postgres: RelationalStore;
}

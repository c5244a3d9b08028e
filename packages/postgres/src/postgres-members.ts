import {
  type Beat,
  type BeatAnswer,
  type CallOptions,
  ConnectionError,
  type Member,
  type Members,
  StoreError,
} from '@polyphase/core';
import type { Connections } from './connections.ts';
import { beatMember } from './sql/beat-member.ts';
import { leaveMember } from './sql/leave-member.ts';
import { listMembers } from './sql/list-members.ts';
import { noteFresh } from './sql/note-fresh.ts';
import { shareGroup } from './sql/share-group.ts';
import { BEGIN, COMMIT, committed } from './transaction.ts';

/** Members in `polyphase.member`, timed by the server's clock alone. */
export class PostgresMembers implements Members {
  readonly #connections: Connections;

  constructor(options: { readonly connections: Connections }) {
    this.#connections = options.connections;
  }

  async beat(beat: Beat, { signal }: CallOptions = {}): Promise<BeatAnswer> {
    const place = { operation: 'beat', key: beat.group, signal };
    return this.#connections.use(async (session) => {
      session.open = true;
      // The lock must be a statement of its own: the row is then read as the last exclusive step left it.
      const answers = await session.run([BEGIN, shareGroup.bind(beat.group), beatMember.bind(beat), COMMIT]);
      session.open = false;
      if (!committed(answers.at(-1)))
        throw new ConnectionError({ message: 'The beat was rolled back; try again', ...place });
      const [answer] = beatMember.rows(answers[2]);
      if (!answer) throw new StoreError({ message: 'A beat was not answered', ...place });
      return answer;
    }, place);
  }

  async list(group: string, { signal }: CallOptions = {}): Promise<readonly Member[]> {
    const place = { operation: 'list members', key: group, signal };
    const [result] = await this.#connections.run([listMembers.bind(group)], place);
    return listMembers.rows(result);
  }

  async leave(group: string, holder: string, { signal }: CallOptions = {}): Promise<void> {
    const place = { operation: 'leave', key: group, signal };
    await this.#connections.run([leaveMember.bind({ group, holder })], place);
  }

  async noteFresh(group: string, atMs: number, { signal }: CallOptions = {}): Promise<void> {
    const place = { operation: 'note fresh', key: group, signal };
    await this.#connections.run([noteFresh.bind({ group, atMs })], place);
  }
}

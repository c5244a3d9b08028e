import { expect, it } from 'vitest';
import { Notices } from './notices.ts';

interface Known {
  readonly started: { readonly at: number };
  readonly ended: string;
}

it('tells each listener of a name, until it stops listening', () => {
  const notices = new Notices<Known>();
  const heard: unknown[] = [];
  const stop = notices.on('started', (payload) => heard.push(payload));
  notices.on('ended', (payload) => heard.push(payload));
  notices.tell('started', { at: 1 });
  stop();
  stop();
  notices.tell('started', { at: 2 });
  notices.tell('ended', 'done');
  expect(heard).toEqual([{ at: 1 }, 'done']);
});

it('keeps a listener that throws from disturbing anybody', () => {
  const errors: unknown[] = [];
  const heard: string[] = [];
  const notices = new Notices<Known>({ onListenerError: (error) => errors.push(error) });
  const bug = new Error('bug');
  notices.on('ended', () => {
    throw bug;
  });
  notices.on('ended', (payload) => heard.push(payload));
  expect(() => notices.tell('ended', 'done')).not.toThrow();
  expect([errors, heard]).toEqual([[bug], ['done']]);
  const silent = new Notices<Known>();
  silent.on('ended', () => {
    throw bug;
  });
  expect(() => silent.tell('ended', 'done')).not.toThrow();
});

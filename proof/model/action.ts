import type { Model } from './model.ts';

/** One thing that can happen: the step of a process between two awaits, or something from outside. */
export interface Action {
  /** What happens, as a trace tells it. */
  readonly name: string;
  /** Who does it: the action is there once for each. `copy` is a relay and a feed range; `key` is one record. */
  readonly actor: 'member' | 'coordinator' | 'relay' | 'copy' | 'key' | 'world';
  /** Whether it is something that goes wrong: nothing may depend on its happening. */
  readonly fault?: true;
  /** Whether it can happen now. */
  readonly guard: (model: Model, actor: number) => boolean;
  /** What it changes. */
  readonly effect: (model: Model, actor: number) => void;
}

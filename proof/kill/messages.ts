import type { JsonObject } from '@polyphase/core';
import type { ProtocolOptions } from '@polyphase/hybrid';
import type { Attempted, Draft } from '../simulation/client.ts';

/** Everything as in production, only shorter. */
export const PROTOCOL = {
  shadowReads: 5,
  shadowWindow: '500ms',
  lease: '1s',
  armedLease: '500ms',
  sealTimeout: '6s',
  hold: '3s',
  poll: '50ms',
  memberLease: '2s',
  soak: 0,
  reconcileAge: '1m',
} as const satisfies ProtocolOptions;

/** What a process of the fleet is started with, as JSON on its command line. */
export interface MemberOrder {
  readonly name: string;
  readonly roles: readonly ('serve' | 'relay' | 'controller')[];
  /** Without it, the process has no PostgreSQL. */
  readonly postgresUrl: string | undefined;
  readonly cosmos: { readonly endpoint: string; readonly key: string; readonly database: string };
  readonly config: JsonObject;
}

/** What a process of the fleet is asked. */
export type ToMember = { readonly call: number } & (
  | { readonly kind: 'perform'; readonly draft: Draft }
  | { readonly kind: 'configure'; readonly config: JsonObject }
);

/** What a process of the fleet says. */
export type FromMember =
  | { readonly kind: 'open' }
  | { readonly kind: 'done'; readonly call: number; readonly result: Attempted }
  | { readonly kind: 'failed'; readonly call: number; readonly code: string; readonly message: string }
  | { readonly kind: 'told'; readonly what: string };

/** What the account is asked. */
export type ToAccount =
  | { readonly kind: 'throttle'; readonly isOn: boolean }
  | { readonly kind: 'split'; readonly database: string };

/** What the account says. */
export interface FromAccount {
  readonly url: string;
  readonly key: string;
}

/** The container of the fleet's documents. */
export const CONTAINER = 'notes';

/** The exit code of a process of the fleet that could not begin. */
export const CANNOT_OPEN = 3;

/** How programs of this folder are started: on the sources of sibling packages. */
export const FROM_SOURCE = ['--conditions=@polyphase/source'];

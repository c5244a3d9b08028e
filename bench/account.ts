import { randomUUID } from 'node:crypto';

/** The row that every contender stores: some 400 bytes, one nested object. */
export interface Account {
  readonly id: string;
  readonly tenantId: string;
  readonly email: string;
  readonly name: string;
  readonly age: number;
  readonly active: boolean;
  readonly createdAt: string;
  readonly profile: { readonly city: string; readonly tags: readonly string[]; readonly about: string };
}

/** Rows of a tenant: 100, so that a query of one gives them all. */
export const rowsPerTenant = 100;

/** Makes the row of a number. */
export function accountOf(n: number): Account {
  return {
    id: randomUUID(),
    tenantId: `tenant-${Math.floor(n / rowsPerTenant)}`,
    email: `person.${n}@example.com`,
    name: `Person number ${n}`,
    age: 18 + (n % 60),
    active: n % 3 !== 0,
    createdAt: new Date(1_700_000_000_000 + n * 1000).toISOString(),
    profile: {
      city: 'Constantinople',
      tags: ['early', 'newsletter', `cohort-${n % 12}`],
      about: 'Writes long sentences about short subjects, and keeps them in a field of a document.',
    },
  };
}

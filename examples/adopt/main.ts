// A service that used the raw SDK moves over call by call, in a container that another program goes on using.
// Then its records move to PostgreSQL and back, by config.
import { setTimeout as pause } from 'node:timers/promises';
import { createHybrid, type PolicyFor } from '@polyphase/hybrid';
import { Account, type AccountService, movedAccounts, rawAccounts } from './account-service.ts';
import { startEngines } from './engines.ts';
import { Neighbour } from './neighbour.ts';

await using engines = await startEngines();
const neighbour = new Neighbour(engines.container);
const before = await neighbour.report();
console.log(`the neighbour's report: ${before}\n`);

// 1. The config says where the records are today, and nothing else changes.
await using hybrid = await createHybrid({
  stores: engines.stores,
  entities: [Account],
  config: { revision: 1, entities: { accounts: { policy: 'cosmos-only' } } },
  protocol: { lease: '2s', armedLease: '500ms', poll: '50ms', shadowWindow: '500ms' }, // shorter than in production
});
const raw = rawAccounts(engines.container);
const moved = movedAccounts(hybrid.repository(Account));

// 2. One call moves, then the next; both kinds meet in the same documents.
const service: AccountService = { ...raw };
const steps: ReadonlyArray<keyof AccountService> = ['find', 'newest', 'rename', 'open', 'close'];
for (const [n, step] of steps.entries()) {
  Object.assign(service, { [step]: moved[step] });
  await useEveryCall(`call-${n}`);
  console.log(`moved ${step}: the service works, ${n + 1} of ${steps.length} calls are the SDK's`);
}

// 3. All calls have moved, so config can: forward, and the same way back.
hybrid.on('phase', ({ from, to }) => console.log(`phase ${from} → ${to}`));
await wanted(2, { policy: 'dual-write', reads: 'postgres' }, '3');
await wanted(3, { policy: 'postgres-primary', flip: 'auto' }, '6');
await useEveryCall('in-postgres');
const kept = await hybrid.repository(Account).get({ tenantId: 't1', id: 'account-1' });
console.log(`a field that the schema does not name came along: ${JSON.stringify(kept?.value)}`);
await wanted(4, { policy: 'cosmos-only', flip: 'auto' }, '0');
await useEveryCall('back-again');

const after = await neighbour.report();
const orders = await neighbour.stop();
console.log(`\nthe neighbour's report: ${after}`);
console.log(`its orders: ${orders.written} written, ${orders.found} found as they were written`);
const unchanged = before === after && orders.written === orders.found;
console.log(unchanged ? 'nothing changed for it' : 'SOMETHING CHANGED FOR IT');
process.exitCode = unchanged ? 0 : 1;

/** Opens, renames, finds, lists and closes an account, and complains about any wrong answer. */
async function useEveryCall(id: string): Promise<void> {
  await service.open({ id, tenantId: 't0', email: 'new@example.com', openedAt: 1_000 });
  await service.rename('t0', id, 'renamed@example.com');
  const found = await service.find('t0', id);
  const newest = await service.newest('t0');
  await service.close('t0', id);
  const gone = (await service.find('t0', id)) === undefined;
  if (found?.email !== 'renamed@example.com' || newest[0] !== id || !gone) throw new Error(`${id} is wrong`);
}

/** Changes the config, and waits for the phase that it asks for. */
async function wanted(
  revision: number,
  policy: PolicyFor<typeof engines.stores>,
  phase: string,
): Promise<void> {
  await hybrid.configure({ revision, entities: { accounts: policy } });
  while (hybrid.status('accounts').phase !== phase) await pause(50);
}

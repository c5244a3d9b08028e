// Real documents move from Cosmos DB to PostgreSQL and back, while a service reads and writes them.
// The service is in traffic.ts, and never learns of it: all that changes is the config object below.
import { createHybrid } from '@polyphase/hybrid';
import { features, movies } from './documents.ts';
import { startEngines } from './engines.ts';
import { Feature, Movie } from './entities.ts';
import { Ledger } from './ledger.ts';
import { PhaseTable } from './phase-table.ts';
import { Progress } from './progress.ts';
import { seed } from './seed.ts';
import { Traffic } from './traffic.ts';

const say = (line: string) => console.log(line);
say('Polyphase: from Cosmos DB to PostgreSQL and back, by config\n');
await using engines = await startEngines(say);
const { database, stores } = engines;

const seeds = { movies: movies(), features: features() };
say(
  `\nFilling Cosmos DB: ${seeds.movies.length} movies, ${seeds.features.length} features of the web platform …`,
);
const ledger = new Ledger();
await Promise.all([
  seed(database, Movie, seeds.movies, ledger),
  seed(database, Feature, seeds.features, ledger),
]);

const cached = { policy: 'cached', ttl: '1m' } as const;
await using hybrid = await createHybrid({
  stores,
  entities: [Movie, Feature],
  config: {
    revision: 1,
    entities: {
      movies: { ...cached, over: { policy: 'cosmos-only' } },
      features: { policy: 'cosmos-only' },
    },
  },
  // As in production, only shorter and with fewer reads: 30 s, 5 s, 300 and an hour are the defaults.
  protocol: { lease: '4s', armedLease: '1s', poll: '50ms', shadowReads: 20, shadowWindow: '2s' },
});

const traffic = new Traffic({
  movies: hybrid.repository(Movie),
  features: hybrid.repository(Feature),
  seeds,
  ledger,
});
const table = new PhaseTable({
  entities: [Movie, Feature],
  stores,
  status: (entity) => hybrid.status(entity),
  on: (name, listener) => hybrid.on(name, listener),
  take: (entity) => traffic.take(entity),
});

const progress = new Progress(seeds.movies.length + seeds.features.length);
hybrid.on('copied', (notice) => progress.copied(notice));

const forward = { policy: 'postgres-primary', flip: 'auto' } as const;
await hybrid.configure({
  revision: 2,
  entities: { movies: { ...cached, over: forward }, features: forward },
});
await table.reached('6');
await traffic.wrote(1_000);

const back = { policy: 'dual-write', flip: 'auto' } as const;
await hybrid.configure({ revision: 3, entities: { movies: { ...cached, over: back }, features: back } });
await table.reached('2');

await traffic.stop();
await table.last();

const inCosmos = await ledger.compare(stores.cosmos, [Movie, Feature]);
const inPostgres = await ledger.compare(stores.postgres, [Movie, Feature]);
const missing = inCosmos.missing + inPostgres.missing;
const different = inCosmos.different + inPostgres.different;
say(`\nacknowledged ${ledger.size}, missing ${missing}, different ${different}`);
if (missing + different > 0) process.exitCode = 1;

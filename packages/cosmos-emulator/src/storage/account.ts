import type { EmulatorClock } from '../clock.ts';
import { isObject, type Json, type JsonObject } from '../json.ts';
import { badRequest, conflict, notFound } from '../service-error.ts';
import { Container } from './container.ts';
import { parseContainer } from './container-properties.ts';
import { createResourceIds, isValidId, newEtag } from './resource-id.ts';

/** A database: its resource and its containers by id. */
export interface Database {
  readonly id: string;
  readonly rid: string;
  readonly resource: JsonObject;
  readonly containers: Map<string, Container>;
}

/** Everything that the emulator holds. */
export class Account {
  readonly #clock: EmulatorClock;
  readonly #partitions: number;
  readonly #rids = createResourceIds();
  readonly #databases = new Map<string, Database>();

  constructor(init: { clock: EmulatorClock; partitions: number }) {
    this.#clock = init.clock;
    this.#partitions = init.partitions;
  }

  get databases(): Iterable<Database> {
    return this.#databases.values();
  }

  /** Creates a database. Throws 400 for a bad id, 409 for one that is taken. */
  createDatabase(body: Json | undefined): Database {
    const id = isObject(body) ? body.id : undefined;
    if (!isValidId(id))
      throw badRequest('The input name is invalid. Ensure to provide a unique non-empty string.');
    if (this.#databases.has(id)) throw conflict();
    const rid = this.#rids.next('', 4);
    const resource = {
      id,
      _rid: rid,
      _self: `dbs/${rid}/`,
      _etag: newEtag(),
      _colls: 'colls/',
      _users: 'users/',
      _ts: Math.floor(this.#clock.now() / 1000),
    };
    const database = { id, rid, resource, containers: new Map<string, Container>() };
    this.#databases.set(id, database);
    return database;
  }

  /** Finds a database by id or resource id. Throws 404. */
  database(id: string): Database {
    const found = this.#databases.get(id) ?? [...this.#databases.values()].find((one) => one.rid === id);
    if (found === undefined) throw notFound();
    return found;
  }

  /** Deletes a database with all that is in it. */
  deleteDatabase(id: string): void {
    this.#databases.delete(this.database(id).id);
  }

  /** Creates a container. Throws 400 for a bad definition, 409 for an id that is taken. */
  createContainer(database: Database, body: Json | undefined): Container {
    const properties = parseContainer(body);
    if (database.containers.has(properties.id)) throw conflict();
    const rid = this.#rids.next(database.rid, 8);
    const container = new Container({
      properties,
      rid,
      self: `dbs/${database.rid}/colls/${rid}/`,
      partitions: this.#partitions,
      clock: this.#clock,
      rids: this.#rids,
    });
    database.containers.set(properties.id, container);
    return container;
  }

  /** Finds a container by id or resource id. Throws 404. */
  container(databaseId: string, id: string): Container {
    const { containers } = this.database(databaseId);
    const found = containers.get(id) ?? [...containers.values()].find((one) => one.rid === id);
    if (found === undefined) throw notFound('Owner resource does not exist');
    return found;
  }
}

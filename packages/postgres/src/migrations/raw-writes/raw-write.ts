/**
 * The trigger function for writes that did not come through the SDK. Its arguments: entity (which is also the group), number of the
 * group's lock, field and column of the id, paths of the partition.
 *
 * While PostgreSQL is the authority such a write is a write like any other: it shares the group's lock and only then reads the
 * phase, gets the next version, and where phases capture its key becomes dirty. While Cosmos DB is, it is drift: the version stays,
 * so that comparisons find another body under it, and a dead letter closes the gates. The digest is left for readers to compute: canonical JSON is not PostgreSQL's.
 */
export const rawWrite = `
create or replace function polyphase.raw_write() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  entity constant text := tg_argv[0];
  id_field constant text := tg_argv[2];
  id_column constant text := tg_argv[3];
  paths constant jsonb := tg_argv[4];
  columns jsonb;
  control record;
  own boolean := true;
  cells jsonb;
  document jsonb;
  before jsonb;
  it record;
  id text;
  pk text;
  there record;
  next_term int;
  next_counter bigint;
begin
  if tg_op = 'DELETE' and current_setting('polyphase.purging', true) = 'on' then return old; end if;
  -- What is deleted stays so, whoever writes to the whole table.
  if tg_op = 'DELETE' and old.hyb_deleted then return null; end if;
  -- Nobody asks any more for what expired so long ago, unless it is still on its way.
  if tg_op = 'DELETE' and (to_jsonb(old) ->> 'hyb_expires_at')::timestamptz < statement_timestamp() - interval '7 days' and not exists (
    select from polyphase.dirty_key as d
    where d.entity = tg_argv[0] and d.hyb_pk = old.hyb_pk and d.id = to_jsonb(old) ->> tg_argv[3]
  ) then
    return old;
  end if;
  if tg_op = 'UPDATE' and old.hyb_deleted and new.hyb_deleted then return null; end if;

  select t.columns into columns from polyphase.entity_table as t
  where t.schema_name = tg_table_schema and t.table_name = tg_table_name;
  columns := (
    select coalesce(jsonb_agg(listed || jsonb_build_object('name', coalesce(listed ->> 'name', listed ->> 'field'))), '[]')
    from jsonb_array_elements(columns) as listed
  );

  if tg_op <> 'DELETE' then
    if jsonb_typeof(new.hyb_rest) is distinct from 'object' or new.hyb_rest ? id_field then
      raise exception 'hyb_rest of % must be an object of fields that have no column', tg_table_name
        using errcode = '23514', constraint = 'hyb_raw_write';
    end if;
    cells := to_jsonb(new);
    for it in select c ->> 'field' as field, c ->> 'name' as name, c ->> 'type' as type, c ? 'native' as native
      from jsonb_array_elements(columns) as c
    loop
      if cells ->> it.name is not null and (tg_op = 'INSERT' or cells -> it.name is distinct from to_jsonb(old) -> it.name) then
        new.hyb_rest := new.hyb_rest - it.field;
      end if;
      if it.type = 'number' and jsonb_typeof(cells -> it.name) = 'string' then
        raise exception 'column % of % must be a finite number', it.name, tg_table_name
          using errcode = '23514', constraint = 'hyb_raw_write';
      end if;
      if new.hyb_rest ? it.field and (cells ->> it.name is not null or (not it.native and case jsonb_typeof(new.hyb_rest -> it.field)
          when 'string' then it.type = 'text' when 'number' then it.type = 'number' when 'boolean' then it.type = 'boolean'
          when 'null' then false else it.type = 'json' end)) then
        raise exception 'field % of % belongs in its column, not in hyb_rest', it.field, tg_table_name
          using errcode = '23514', constraint = 'hyb_raw_write';
      end if;
    end loop;
    cells := to_jsonb(new);
    id := cells ->> id_column;
    document := polyphase.document_of(cells, columns);
  end if;
  if tg_op = 'UPDATE' then
    before := polyphase.document_of(to_jsonb(old), columns);
    if id is distinct from to_jsonb(old) ->> id_column or new.hyb_pk is distinct from old.hyb_pk then
      raise exception 'the key of a record of % cannot change: insert another and delete this one', tg_table_name
        using errcode = '23514', constraint = 'hyb_raw_write';
    end if;
    if document = before and new.hyb_deleted = old.hyb_deleted and cells -> 'hyb_expires_at' is not distinct from to_jsonb(old) -> 'hyb_expires_at' then
      return new;
    end if;
  end if;
  if tg_op <> 'DELETE' and not new.hyb_deleted then
    pk := polyphase.partition_text(document, paths);
    if tg_op = 'INSERT' then new.hyb_pk := coalesce(new.hyb_pk, pk); end if;
    if new.hyb_pk is null or pk <> new.hyb_pk or (pk is null and tg_op = 'UPDATE' and exists (
      select from jsonb_array_elements(paths) as path, lateral (select array(select jsonb_array_elements_text(path)) as at) as p
      where document #> p.at is distinct from before #> p.at
    )) then
      raise exception 'the partition of a record of % must be the one of its key, and hyb_pk be given where it is a number that is not whole', tg_table_name
        using errcode = '23514', constraint = 'hyb_raw_write';
    end if;
  end if;

  -- The lock first and in a statement of its own: the row is then read as the exclusive step left it that this waited for.
  perform pg_advisory_xact_lock_shared(tg_argv[1]::bigint);
  if current_setting('transaction_isolation') = 'read committed' then
    select c.phase, c.term into control from polyphase.control as c where c.group_name = entity;
  else
    -- An older snapshot would see an older phase; locking the row fails instead.
    select c.phase, c.term into control from polyphase.control as c where c.group_name = entity for share;
  end if;
  if control.phase = '5''' then
    raise exception 'the authority of % is moving back; nothing was written, try again', entity
      using errcode = '55P03';
  end if;
  own := control.phase is null or control.phase in ('6', '7', '7r', '8');

  if tg_op = 'INSERT' then
    if id is null or id = '' or id ~ '[/\\\\?#]' or id in ('.', '..') or id like 'hyb:%' or id like '% ' or octet_length(id) > 1023 then
      raise exception 'the id of a record of % must be 1 to 1023 bytes without / \\ ? and #, and no reserved one', tg_table_name
        using errcode = '23514', constraint = 'hyb_raw_write';
    end if;
    new.hyb_bucket := polyphase.bucket_of(new.hyb_pk || ' ' || id);
    -- A tombstone makes room, and so does a record that has expired; the version goes on.
    perform set_config('polyphase.purging', 'on', true);
    execute format('delete from %s where hyb_pk = $1 and %I = $2 and %s
      returning hyb_term, hyb_counter, hyb_digest, hyb_base_term, hyb_base_counter, hyb_base_digest, hyb_ops', tg_relid::regclass, id_column,
        case when cells ? 'hyb_expires_at' then '(hyb_deleted or hyb_expires_at <= statement_timestamp())' else 'hyb_deleted' end)
      into there using new.hyb_pk, id;
    perform set_config('polyphase.purging', '', true);
    if there.hyb_term is not null then
      new.hyb_ops := there.hyb_ops;
      new.hyb_base_term := there.hyb_base_term;
      new.hyb_base_counter := there.hyb_base_counter;
      new.hyb_base_digest := there.hyb_base_digest;
    end if;
  else
    there := old;
  end if;

  next_term := case when own then greatest(control.term, there.hyb_term, 1) else coalesce(there.hyb_term, 0) end;
  next_counter := case
    when not own then coalesce(there.hyb_counter, 0)
    when coalesce(there.hyb_term, 0) = 0 then floor(extract(epoch from clock_timestamp()) * 1000)::bigint * 1024
    else there.hyb_counter + 1
  end;
  if not own then
    -- Open until a version of the authority is stored over it, and closes the gates until then, whenever comparisons were made.
    pk := case when tg_op = 'DELETE' then old.hyb_pk else new.hyb_pk end || ' '
      || case when tg_op = 'DELETE' then to_jsonb(old) ->> id_column else id end;
    insert into polyphase.journal as j (digest, kind, entity, key, reason, issues, ours)
    values (
      md5('raw write ' || entity || ' ' || pk), 'dead-letter', entity, pk,
      'The row was written around the SDK while Cosmos DB was the authority. Write the record again, or bring the change in through the SDK',
      '[]', case when tg_op <> 'DELETE' and not new.hyb_deleted then (document || jsonb_build_object(id_field, id))::text end
    )
    on conflict on constraint journal_pkey do update set resolved_at = null, ours = excluded.ours, appended_at = clock_timestamp();
  end if;
  if own and (control.phase = '6' or control.phase = '7r') then
    insert into polyphase.dirty_key as d (entity, hyb_pk, id, term, counter)
    values (
      entity, case when tg_op = 'DELETE' then old.hyb_pk else new.hyb_pk end,
      case when tg_op = 'DELETE' then to_jsonb(old) ->> id_column else id end, next_term, next_counter
    )
    on conflict on constraint dirty_key_pkey do update set term = excluded.term, counter = excluded.counter;
  end if;

  if tg_op = 'DELETE' then
    -- Drift: comparisons miss the record.
    if not own then return old; end if;
    execute format('update %s as t set %s, hyb_deleted = true, hyb_rest = ''{}'', hyb_clash = false, hyb_digest = repeat(''0'', 32),
        hyb_term = $3, hyb_counter = $4, hyb_base_term = $5, hyb_base_counter = $6, hyb_base_digest = $7
      where hyb_pk = $1 and %I = $2', tg_relid::regclass,
      coalesce((select string_agg(format('%I = null', c ->> 'name'), ', ') from jsonb_array_elements(columns) as c), 'hyb_pk = hyb_pk'),
      id_column)
    using old.hyb_pk, to_jsonb(old) ->> id_column, next_term, next_counter,
      case when old.hyb_term < next_term then old.hyb_term else old.hyb_base_term end,
      case when old.hyb_term < next_term then old.hyb_counter else old.hyb_base_counter end,
      case when old.hyb_term < next_term then old.hyb_digest else old.hyb_base_digest end;
    return null;
  end if;

  if new.hyb_deleted then
    new := jsonb_populate_record(new, (select coalesce(jsonb_object_agg(c ->> 'name', null), '{}') from jsonb_array_elements(columns) as c));
    new.hyb_rest := '{}';
  end if;
  if there.hyb_term < next_term then
    new.hyb_base_term := there.hyb_term;
    new.hyb_base_counter := there.hyb_counter;
    new.hyb_base_digest := there.hyb_digest;
  end if;
  new.hyb_term := next_term;
  new.hyb_counter := next_counter;
  new.hyb_digest := case when new.hyb_deleted then repeat('0', 32) else '' end;
  return new;
end
$$`;

/** Multiplies as `Math.imul` does, of and in 0 to 2^32 − 1. */
export const imul = `
create or replace function polyphase.imul(a bigint, b bigint) returns bigint
language sql immutable strict parallel safe as $$
  select ((a & 65535) * b + ((((a >> 16) * b) & 65535) << 16)) & 4294967295
$$`;

/** The bucket of a key's text, as \`bucketOf\` of the core has it: MurmurHash3_x86_128 over UTF-16 code units. */
export const bucketOf = `
create or replace function polyphase.bucket_of(key text) returns smallint
language plpgsql immutable strict parallel safe set search_path = pg_catalog as $$
declare
  m constant bigint := 4294967295;
  units bigint[] := '{}';
  h bigint[] := array[0, 0, 0, 0];
  c constant bigint[] := array[597399067, 2869860233, 951274213, 2716044179];
  up constant int[] := array[15, 16, 17, 18];
  turn constant int[] := array[19, 17, 15, 13];
  plus constant bigint[] := array[1444728091, 197830471, 2530024501, 850148119];
  point int;
  k bigint;
  i int;
begin
  foreach point in array (select coalesce(array_agg(ascii(ch)), '{}') from unnest(string_to_array(key, null)) as ch) loop
    if point < 65536 then units := units || point::bigint;
    else units := units || array[55296 + ((point - 65536) >> 10), 56320 + ((point - 65536) & 1023)]::bigint[];
    end if;
  end loop;
  for at in 0 .. (cardinality(units) + 7) / 8 - 1 loop
    for word in 1 .. 4 loop
      i := at * 8 + word * 2 - 1;
      k := coalesce(units[i], 0) | (coalesce(units[i + 1], 0) << 16);
      k := polyphase.imul(k, c[word]);
      k := ((k << up[word]) | (k >> (32 - up[word]))) & m;
      h[word] := h[word] # polyphase.imul(k, c[word % 4 + 1]);
      h[word] := (((h[word] << turn[word]) | (h[word] >> (32 - turn[word]))) & m) + h[word % 4 + 1];
      h[word] := (polyphase.imul(h[word] & m, 5) + plus[word]) & m;
    end loop;
  end loop;
  for word in 1 .. 4 loop h[word] := h[word] # (cardinality(units) * 2)::bigint; end loop;
  h[1] := (h[1] + h[2] + h[3] + h[4]) & m;
  for word in 2 .. 4 loop h[word] := (h[word] + h[1]) & m; end loop;
  for word in 1 .. 4 loop
    k := h[word];
    k := polyphase.imul(k # (k >> 16), 2246822507);
    k := polyphase.imul(k # (k >> 13), 3266489909);
    h[word] := k # (k >> 16);
  end loop;
  return ((h[1] + h[2] + h[3] + h[4]) & 1023)::smallint;
end
$$`;

/**
 * The text of a document's partition, as \`partitionText\` of the core writes it; null where a level is a number that PostgreSQL
 * would print otherwise than JavaScript, or no scalar.
 */
export const partitionText = `
create or replace function polyphase.partition_text(document jsonb, paths jsonb) returns text
language sql immutable strict parallel safe set search_path = pg_catalog as $$
  select '[' || string_agg(level, ',' order by number) || ']'
  from (
    select number, case jsonb_typeof(value)
      when 'number' then case
        when value::numeric = trunc(value::numeric) and abs(value::numeric) < 1e15 then trunc(value::numeric)::bigint::text
      end
      when 'object' then null
      when 'array' then null
      else coalesce(value::text, '{}')
    end as level
    from (
      select number, document #> array(select jsonb_array_elements_text(path)) as value
      from jsonb_array_elements(paths) with ordinality as levels (path, number)
    ) as found
  ) as texts
  having bool_and(level is not null)
$$`;

/** The document of a row, without its id: the rest column, and each column as its field's value. */
export const documentOf = `
create or replace function polyphase.document_of(cells jsonb, columns jsonb) returns jsonb
language sql stable strict parallel safe set search_path = pg_catalog as $$
  select coalesce(jsonb_object_agg(it ->> 'field', case
      when it ->> 'type' <> 'text' then cells -> (it ->> 'name')
      when it ->> 'native' like 'timestamptz%' then to_jsonb(polyphase.timestamp_text(
        (cells ->> (it ->> 'name'))::timestamptz,
        case it ->> 'native' when 'timestamptz(0)' then 0 when 'timestamptz(6)' then 6 else 3 end
      ))
      else to_jsonb(cells ->> (it ->> 'name'))
    end) filter (where cells ->> (it ->> 'name') is not null), '{}') || (cells -> 'hyb_rest')
  from (
    select listed || jsonb_build_object('name', coalesce(listed ->> 'name', listed ->> 'field')) as it
    from jsonb_array_elements(columns) as listed
  ) as named
$$`;

-- Search: the words of each event, indexed together with what they are searched within.

-- The words of the content, and beside them its stream, source and type, so that a look-up in the index is one within a
-- stream from the start: a word that every event of another stream has costs nothing. These begin with a space, as no
-- word does. A content whose words could exceed what PostgreSQL can hold of one document (1 MB) is searched in its
-- beginning only, names of fields included: otherwise such an event could not be stored at all.
-- The cost is what it really costs, so that PostgreSQL looks words up rather than reading events one after another.
CREATE FUNCTION event_words(stream_id uuid, source_id uuid, event_type text, content jsonb) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 2000 AS $$
DECLARE
    scope CONSTANT tsvector := array_to_tsvector(ARRAY[
        ' s' || right(stream_id::text, 12), ' o' || coalesce(right(source_id::text, 12), ''), ' t' || event_type
    ]);
BEGIN
    IF pg_column_size(content) > 2000 AND octet_length(content::text) > 262144 THEN
        RETURN to_tsvector('simple', left(content::text, 200000)) || scope;
    END IF;
    RETURN jsonb_to_tsvector('simple', content, '["string", "numeric"]') || scope;
END $$;

-- New words wait in a list of at most 1 MB, which whoever fills it writes into the index: with PostgreSQL's own 4 MB
-- this takes longer than a group of events should wait. Building it takes about a minute for a million events, in which nothing can be stored. Where there are many events
-- it is left to `vibeseater migrate --search-index`, which lets writers go on; until then searches are slower.
DO $$
BEGIN
    IF (SELECT count(*) FROM (SELECT FROM events LIMIT 200001) AS few) <= 200000 THEN
        CREATE INDEX events_words ON events USING gin (event_words(stream_id, source_id, event_type, content))
            WITH (gin_pending_list_limit = 1024);
    END IF;
END $$;

-- How many events of each type a stream has had, up to a position. Kept by those who ask, so that it costs writers
-- nothing: whoever finds it far behind counts what has come since, and notes it here.
CREATE TABLE stream_types (
    stream_id  uuid PRIMARY KEY REFERENCES streams ON DELETE CASCADE,
    counted_to bigint NOT NULL,
    totals     jsonb NOT NULL
);

-- Streams, sources, their tie, the events, and the counters that give every event its positions.

-- A domain, since a CHECK of the table would be read and evaluated anew at every event that raises a counter.
CREATE DOMAIN stream_status AS text CHECK (VALUE IN ('idle', 'live', 'paused', 'stopped'));

CREATE TABLE streams (
    id            uuid PRIMARY KEY,
    slug          text NOT NULL UNIQUE,
    title         text NOT NULL,
    status        stream_status NOT NULL DEFAULT 'idle',
    media_url     text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    -- The counter of topic stream:<id>: raised in the statement that inserts, its row locked until the commit.
    stream_seq    bigint NOT NULL DEFAULT 0,
    last_event_at timestamptz
    -- Half-empty pages: counters are updated in place (HOT) and never grow the table.
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

CREATE TABLE sources (
    id            uuid PRIMARY KEY,
    type          text NOT NULL,
    name          text NOT NULL,
    config        jsonb NOT NULL DEFAULT '{}',
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    -- The counter of topic source:<id>.
    source_seq    bigint NOT NULL DEFAULT 0,
    last_event_at timestamptz
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

CREATE TABLE stream_sources (
    stream_id   uuid NOT NULL REFERENCES streams ON DELETE CASCADE,
    source_id   uuid NOT NULL REFERENCES sources ON DELETE CASCADE,
    attached_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (stream_id, source_id)
);
CREATE INDEX stream_sources_source ON stream_sources (source_id);

-- What each source has brought to each stream; the nil UUID stands for events without a source.
CREATE TABLE stream_source_totals (
    stream_id     uuid NOT NULL,
    source_id     uuid NOT NULL,
    total_events  bigint NOT NULL,
    last_event_at timestamptz NOT NULL,
    PRIMARY KEY (stream_id, source_id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- No foreign keys: the inserting statement itself joins the counters' rows, and checks cost a lock an event.
-- The key holds occurred_at because a hypertable's keys must; the counters keep (stream_id, stream_seq) unique.
CREATE TABLE events (
    stream_id   uuid NOT NULL,
    stream_seq  bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    id          uuid NOT NULL,
    source_id   uuid,
    source_seq  bigint,
    inserted_at timestamptz NOT NULL,
    event_type  text NOT NULL,
    content     jsonb NOT NULL,
    external_id text,
    metadata    jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (stream_id, stream_seq, occurred_at)
);
CREATE INDEX events_id ON events (id);
CREATE INDEX events_source ON events (source_id, source_seq);
CREATE INDEX events_occurred ON events (stream_id, occurred_at DESC);

-- Idempotency: one row an external_id, in each stream that the source feeds. A table of its own because a
-- hypertable can't hold this key.
CREATE TABLE event_keys (
    stream_id   uuid NOT NULL,
    source_id   uuid NOT NULL,
    external_id text NOT NULL,
    event_id    uuid NOT NULL,
    PRIMARY KEY (stream_id, source_id, external_id)
);

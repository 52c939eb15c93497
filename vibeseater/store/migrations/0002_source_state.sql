-- What the workers of a source have reached, how they fare, and which process runs them.

CREATE TABLE source_state (
    source_id      uuid PRIMARY KEY REFERENCES sources ON DELETE CASCADE,

    -- The lease: the one process that runs the source, until when, unless it says so again.
    holder         text,
    leased_until   timestamptz,

    -- Where to read on. It holds for the place (type and config, hashed) and the streams that it was reached with:
    -- another place, or a stream that joined later, reads from the start, and external ids keep that from doubling.
    cursor         jsonb NOT NULL DEFAULT 'null',
    place          text,
    streams        uuid[] NOT NULL DEFAULT '{}',

    -- How it fares. Written by the holder only.
    state          text NOT NULL DEFAULT 'starting'
                   CHECK (state IN ('starting', 'running', 'waiting', 'backoff', 'finished', 'failed')),
    last_error     text,
    last_error_at  timestamptz,
    last_run_at    timestamptz,
    next_run_at    timestamptz,
    -- Until when the other side asked not to be asked again; no start or resume goes before it.
    hold_until     timestamptz,
    polls          bigint NOT NULL DEFAULT 0,
    items_seen     bigint NOT NULL DEFAULT 0,
    items_rejected bigint NOT NULL DEFAULT 0,
    failures       integer NOT NULL DEFAULT 0
    -- Half-empty pages: rows are written each second, in place (HOT).
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

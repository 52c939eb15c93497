-- What a worker needs to be sure that it is the one, what was held back, and how fast a stream may be fed.

-- Each run of a worker has its number: what a former run of the same process still has under way can't be committed.
ALTER TABLE source_state ADD COLUMN run bigint NOT NULL DEFAULT 0;

-- What the limits did: items left out, and seconds waited.
ALTER TABLE source_state ADD COLUMN items_dropped bigint NOT NULL DEFAULT 0;
ALTER TABLE source_state ADD COLUMN seconds_waited double precision NOT NULL DEFAULT 0;

-- A token bucket a stream, shared by all processes. Tokens may be negative: then they are owed, and waited for.
CREATE TABLE stream_limits (
    stream_id      uuid PRIMARY KEY REFERENCES streams ON DELETE CASCADE,
    rate           double precision NOT NULL CHECK (rate > 0),
    burst          double precision NOT NULL CHECK (burst >= 1),
    at_limit       text NOT NULL CHECK (at_limit IN ('wait', 'sample', 'drop')),
    tokens         double precision NOT NULL,
    filled_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    events_dropped bigint NOT NULL DEFAULT 0,
    seconds_waited double precision NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

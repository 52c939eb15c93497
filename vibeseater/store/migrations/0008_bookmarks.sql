-- What people note about a stream: bookmarks of events and ranges, and rules by which events are highlighted.

-- How often each kind of note about a stream has changed: whoever watches compares numbers, and reads again.
CREATE TABLE stream_changes (
    stream_id uuid NOT NULL REFERENCES streams ON DELETE CASCADE,
    kind      text NOT NULL,
    number    bigint NOT NULL,
    PRIMARY KEY (stream_id, kind)
) WITH (fillfactor = 50);

CREATE TABLE bookmarks (
    id         uuid PRIMARY KEY,
    stream_id  uuid NOT NULL REFERENCES streams ON DELETE CASCADE,
    event_id   uuid,            -- the one event that is bookmarked; null for a range
    first_seq  bigint,          -- positions of the first and last event in it; null where there is none
    last_seq   bigint,
    starts_at  timestamptz NOT NULL,
    ends_at    timestamptz NOT NULL CHECK (ends_at >= starts_at),
    note       text NOT NULL,
    colour     text NOT NULL,
    author     text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX bookmarks_by_time ON bookmarks (stream_id, starts_at DESC);

CREATE TABLE highlights (
    id         uuid PRIMARY KEY,
    stream_id  uuid NOT NULL REFERENCES streams ON DELETE CASCADE,
    name       text NOT NULL,
    event_type text,
    source_id  uuid,
    search     text,
    colour     text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (event_type IS NOT NULL OR source_id IS NOT NULL OR search IS NOT NULL)
);
CREATE INDEX highlights_by_stream ON highlights (stream_id, created_at);

-- What was archived and what was purged of each stream, where the files lie, and what is to be kept.

-- Two marks a stream. Everything up to archived_seq is in the archive or was purged before; everything up to
-- purged_seq is not PostgreSQL's any more: the mark is committed before the first row is deleted, and readers pass
-- over rows at or below it. A table of its own, since the rows of `streams` are written at every event.
CREATE TABLE archive_marks (
    stream_id    uuid PRIMARY KEY REFERENCES streams ON DELETE CASCADE,
    archived_seq bigint NOT NULL DEFAULT 0,
    purged_seq   bigint NOT NULL DEFAULT 0
);

-- The manifest: one row a file. The files of a stream follow each other by position, and never overlap.
CREATE TABLE archive_files (
    id                uuid PRIMARY KEY,
    stream_id         uuid NOT NULL REFERENCES streams ON DELETE CASCADE,
    url               text NOT NULL,
    path              text NOT NULL,
    day               date NOT NULL,
    events            bigint NOT NULL,
    first_seq         bigint NOT NULL,
    last_seq          bigint NOT NULL,
    first_occurred_at timestamptz NOT NULL,
    last_occurred_at  timestamptz NOT NULL,
    first_inserted_at timestamptz NOT NULL,
    last_inserted_at  timestamptz NOT NULL,
    -- Ids begin with the time at which they were made, so a file's lie close together.
    least_id          uuid NOT NULL,
    greatest_id       uuid NOT NULL,
    bytes             bigint NOT NULL,
    sha256            text NOT NULL,
    archived_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (stream_id, first_seq)
);
CREATE INDEX archive_files_occurred ON archive_files (stream_id, first_occurred_at);
CREATE INDEX archive_files_ids ON archive_files (least_id, greatest_id);

-- The sources whose events stand in a file: how a source's events are found, over all its streams.
CREATE TABLE archive_file_sources (
    file_id           uuid NOT NULL REFERENCES archive_files ON DELETE CASCADE,
    source_id         uuid NOT NULL,
    events            bigint NOT NULL,
    first_seq         bigint NOT NULL,
    last_seq          bigint NOT NULL,
    first_occurred_at timestamptz NOT NULL,
    last_occurred_at  timestamptz NOT NULL,
    PRIMARY KEY (source_id, first_seq, file_id)
);
CREATE INDEX archive_file_sources_file ON archive_file_sources (file_id);

-- What is to be kept of a stream: what is older, or more, is archived and purged when the rules are applied.
CREATE TABLE retention_rules (
    stream_id  uuid PRIMARY KEY REFERENCES streams ON DELETE CASCADE,
    older_than double precision CHECK (older_than > 0),
    keep       bigint CHECK (keep >= 0),
    archive_to text,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (older_than IS NOT NULL OR keep IS NOT NULL)
);

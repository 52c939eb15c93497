-- The audit: who did what, by what way, and what became of it. It outlives what it tells of: no foreign keys.

CREATE TABLE audit (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,  -- no right to a sequence is needed to insert
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    who         text NOT NULL,
    way         text NOT NULL,                     -- page, cli, api, server
    action      text NOT NULL,                     -- streams.delete_stream
    outcome     text NOT NULL CHECK (outcome IN ('done', 'refused', 'failed')),
    kind        text,                              -- of what it was done to: stream, source, rule …
    object_id   uuid,
    object_name text,                              -- as it was called then
    stream_ids  uuid[] NOT NULL DEFAULT '{}',      -- the streams that it concerned
    changes     jsonb NOT NULL DEFAULT '{}',       -- field → [before, after], secrets masked
    reason      text                               -- why it was refused, or failed
);
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_who ON audit (who, id DESC);
CREATE INDEX audit_action ON audit (action, id DESC);
CREATE INDEX audit_streams ON audit USING gin (stream_ids);

-- Whoever owns the table can take this away; it keeps everybody else, and mistakes, from changing what was recorded.
CREATE FUNCTION audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('vibeseater.prune_audit', true) = 'yes' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'the audit only grows: % is not allowed', TG_OP
        USING HINT = 'Use vibeseater audit --prune-before.', ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_only_grows();

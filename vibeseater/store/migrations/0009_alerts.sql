-- Alerts: the rules, how far each was evaluated and by whom, and what was told.

CREATE TABLE alert_rules (
    id               uuid PRIMARY KEY,
    stream_id        uuid NOT NULL REFERENCES streams ON DELETE CASCADE,
    name             text NOT NULL,
    condition        text NOT NULL CHECK (condition IN ('event', 'above', 'below', 'silence')),
    event_type       text,
    source_id        uuid,
    search           text,
    threshold        integer NOT NULL CHECK (threshold >= 1),
    window_seconds   double precision NOT NULL CHECK (window_seconds > 0),
    for_seconds      double precision NOT NULL CHECK (for_seconds >= 0),
    cooldown_seconds double precision NOT NULL CHECK (cooldown_seconds >= 0),
    group_by         text CHECK (group_by IN ('source', 'type')),
    targets          text[] NOT NULL,          -- addresses for apprise; they hold secrets
    enabled          boolean NOT NULL,
    silenced_until   timestamptz,
    version          bigint NOT NULL DEFAULT 1, -- raised when what is evaluated changes
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX alert_rules_by_stream ON alert_rules (stream_id, created_at);

-- How far a rule was evaluated. Written together with what was told, so that a restart neither misses nor repeats.
CREATE TABLE alert_state (
    rule_id      uuid PRIMARY KEY REFERENCES alert_rules ON DELETE CASCADE,
    holder       text,
    leased_until timestamptz,
    run          bigint NOT NULL DEFAULT 0,
    version      bigint NOT NULL,              -- of the rule that the state belongs to
    position     bigint NOT NULL,              -- of the stream's last event that was evaluated
    state        bytea,
    last_error   text
) WITH (fillfactor = 50);

-- What was told. It outlives its rule.
CREATE TABLE alerts (
    id          uuid PRIMARY KEY,
    rule_id     uuid NOT NULL,
    rule_name   text NOT NULL,
    stream_id   uuid NOT NULL REFERENCES streams ON DELETE CASCADE,
    group_key   text NOT NULL,
    message     text NOT NULL,
    fired_at    timestamptz NOT NULL,
    resolved_at timestamptz,
    event_id    uuid,
    position    bigint NOT NULL,
    held_back   bigint NOT NULL DEFAULT 0,     -- events that the cool-down held back since the one before
    delivery    text NOT NULL CHECK (delivery IN ('none', 'pending', 'delivered', 'failed', 'silenced')),
    targets     text[] NOT NULL,
    tries       integer NOT NULL DEFAULT 0,
    last_error  text,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX alerts_by_stream ON alerts (stream_id, fired_at DESC, id DESC);
CREATE INDEX alerts_by_rule ON alerts (rule_id, fired_at DESC);
CREATE INDEX alerts_open ON alerts (rule_id, group_key) WHERE resolved_at IS NULL;
CREATE INDEX alerts_pending ON alerts (created_at) WHERE delivery = 'pending';

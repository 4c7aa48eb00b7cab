-- Runs, their steps, history, outbox and intents. Times are Unix milliseconds in UTC.

CREATE TABLE plans (
    hash       TEXT PRIMARY KEY,
    chain      TEXT NOT NULL,
    body       TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE runs (
    id          TEXT PRIMARY KEY,
    chain       TEXT NOT NULL,
    plan_hash   TEXT NOT NULL REFERENCES plans (hash),
    identity    TEXT NOT NULL,
    submission  TEXT NOT NULL,
    cascade     TEXT NOT NULL,
    round       INTEGER NOT NULL,
    slot        TEXT,
    priority    INTEGER NOT NULL,
    phase       TEXT NOT NULL CHECK (phase IN ('queued', 'active', 'cancelling', 'finished')),
    status      TEXT NOT NULL CHECK (status IN ('queued', 'running', 'waiting', 'finished')),
    result      TEXT CHECK (result IN ('passed', 'remediated', 'denied', 'failed', 'cancelled')),
    last_seq    INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    finished_at INTEGER,
    CHECK ((phase = 'finished') = (result IS NOT NULL))
) STRICT;
-- A child is one within its cascade, whoever reports it first.
CREATE UNIQUE INDEX runs_in_cascade ON runs (chain, identity, cascade);
CREATE INDEX runs_by_slot ON runs (slot) WHERE slot IS NOT NULL AND phase <> 'finished';

CREATE TABLE steps (
    run         TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    position    INTEGER NOT NULL,
    status      TEXT NOT NULL CHECK (status IN
        ('blocked', 'ready', 'leased', 'waiting', 'succeeded', 'denied', 'failed', 'skipped', 'cancelled', 'unknown')),
    fence       INTEGER NOT NULL,
    priority    INTEGER NOT NULL,
    ready_at    INTEGER,
    lease_until INTEGER,
    body        TEXT NOT NULL,
    PRIMARY KEY (run, position),
    CHECK ((status = 'leased') = (lease_until IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX steps_ready ON steps (priority, ready_at, run, position) WHERE status = 'ready';
CREATE INDEX steps_leased ON steps (lease_until) WHERE status = 'leased';
CREATE INDEX steps_backoff ON steps (ready_at) WHERE status = 'waiting' AND ready_at IS NOT NULL;

CREATE TABLE events (
    run  TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    seq  INTEGER NOT NULL,
    at   INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
    id         TEXT PRIMARY KEY,
    run        TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    step       TEXT NOT NULL,
    channel    TEXT NOT NULL,
    payload    TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts   INTEGER NOT NULL,
    problem    TEXT,
    due_at     INTEGER,
    held_until INTEGER,
    changed_at INTEGER NOT NULL,
    CHECK ((state = 'pending') = (due_at IS NOT NULL))
) STRICT;
CREATE INDEX outbox_due ON outbox (due_at) WHERE state = 'pending';
CREATE INDEX outbox_by_run ON outbox (run);

CREATE TABLE effects (
    run    TEXT NOT NULL,
    step   TEXT NOT NULL,
    kind   TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL,
    done   INTEGER NOT NULL CHECK (done IN (0, 1)),
    PRIMARY KEY (run, step, kind, target)
) STRICT;
CREATE INDEX effects_by_target ON effects (kind, target);

CREATE TABLE deliveries (
    source   TEXT NOT NULL,
    event_id TEXT NOT NULL,
    chain    TEXT NOT NULL,
    run      TEXT NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (source, event_id, chain)
) STRICT, WITHOUT ROWID;

-- Kinds and parking of steps, versions and deadlines of runs, permits under limits, paused chains.

ALTER TABLE runs ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN deadline INTEGER;
CREATE INDEX runs_by_deadline ON runs (deadline) WHERE deadline IS NOT NULL AND phase <> 'finished';

ALTER TABLE steps ADD COLUMN kind TEXT NOT NULL DEFAULT '';
-- The limit that a ready step waits for.
ALTER TABLE steps ADD COLUMN parked TEXT;
UPDATE steps SET kind = coalesce(
    (SELECT json_extract(plans.body, '$.steps[' || steps.position || '].uses')
     FROM runs JOIN plans ON plans.hash = runs.plan_hash WHERE runs.id = steps.run), '');

DROP INDEX steps_ready;
-- The most urgent first, then the oldest run: what was begun is ended before more is begun.
-- Kind and time are not looked for: with them, neither labels nor gauges read the rows.
CREATE INDEX steps_ready ON steps (priority, run, position, kind, ready_at) WHERE status = 'ready' AND parked IS NULL;
CREATE INDEX steps_parked ON steps (parked, priority, run, position) WHERE parked IS NOT NULL;

-- One for each leased step under each limit. One whose step is not leased counts for nothing.
CREATE TABLE permits (
    key      TEXT NOT NULL,
    run      TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    PRIMARY KEY (key, run, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX permits_by_step ON permits (run, position);

CREATE TABLE pauses (
    chain  TEXT PRIMARY KEY,
    by     TEXT NOT NULL,
    reason TEXT NOT NULL,
    at     INTEGER NOT NULL
) STRICT;

-- What changes with every step stands in no index any more, so a step is leased and ended on its own page (a heap-only
-- update), and so is its run. The indices name columns that are NULL for nearly everything, and stay so.

ALTER TABLE steps
    -- While it may be claimed.
    ADD COLUMN claimable_since BIGINT GENERATED ALWAYS AS
        (CASE WHEN status = 'ready' AND parked IS NULL THEN coalesce(ready_at, 0) END) STORED,
    -- While it waits for a time.
    ADD COLUMN waits_until BIGINT GENERATED ALWAYS AS (CASE WHEN status = 'waiting' THEN ready_at END) STORED;
DROP INDEX steps_ready;
DROP INDEX steps_waiting;
DROP INDEX steps_leased;
CREATE INDEX steps_claimable ON steps (kind, priority, run, position) INCLUDE (claimable_since) WHERE claimable_since IS NOT NULL;
CREATE INDEX steps_waiting ON steps (waits_until) WHERE waits_until IS NOT NULL;
ALTER TABLE steps SET (fillfactor = 60);

ALTER TABLE runs
    -- While it has not finished.
    ADD COLUMN open_slot TEXT COLLATE "C" GENERATED ALWAYS AS (CASE WHEN phase <> 'finished' THEN slot END) STORED,
    ADD COLUMN open_deadline BIGINT GENERATED ALWAYS AS (CASE WHEN phase <> 'finished' THEN deadline END) STORED;
DROP INDEX runs_by_slot;
DROP INDEX runs_by_deadline;
DROP INDEX runs_finished;
DROP INDEX runs_by_cascade;
DROP INDEX runs_in_cascade;
CREATE INDEX runs_by_slot ON runs (open_slot, id) WHERE open_slot IS NOT NULL;
CREATE INDEX runs_by_deadline ON runs (open_deadline) WHERE open_deadline IS NOT NULL;
-- A child is one within its cascade, whoever reports it first; a cascade is forgotten as a whole.
CREATE UNIQUE INDEX runs_in_cascade ON runs (cascade, chain, identity);
ALTER TABLE runs SET (fillfactor = 60);

-- Runs that have leases: none of a run's leases ends before `look_at`. Once that is over, its steps are looked at.
CREATE TABLE lease_watch (
    run     TEXT COLLATE "C" PRIMARY KEY,
    look_at BIGINT NOT NULL
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX lease_watch_due ON lease_watch (look_at);
INSERT INTO lease_watch SELECT run, min(lease_until) FROM steps WHERE status = 'leased' GROUP BY run;

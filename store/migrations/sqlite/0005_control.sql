-- Intents that were surely not made, and messages that were given up.

ALTER TABLE effects ADD COLUMN withdrawn INTEGER NOT NULL DEFAULT 0 CHECK (withdrawn IN (0, 1));

CREATE INDEX outbox_failed ON outbox (changed_at, id) WHERE state = 'failed';

-- Intents that were surely not made, and messages that were given up.

ALTER TABLE effects ADD COLUMN withdrawn BOOLEAN NOT NULL DEFAULT false;

CREATE INDEX outbox_failed ON outbox (changed_at, id) WHERE state = 'failed';

-- Packages are kept once, however many images have them; an inventory lists their ids (store::inventories). Rows of
-- before stay as they are, and are read.

CREATE TABLE packages (
    id   INTEGER PRIMARY KEY,
    -- SHA-256 of the body.
    hash BLOB NOT NULL UNIQUE,
    body TEXT NOT NULL
) STRICT;

-- Counts on with each other body.
ALTER TABLE inventories ADD COLUMN edition INTEGER NOT NULL DEFAULT 0;
-- The advisories that know nothing of this inventory that this report does not have (scanner::rematch::Matched).
ALTER TABLE inventories ADD COLUMN matched TEXT;
ALTER TABLE inventories ADD COLUMN matched_report TEXT;

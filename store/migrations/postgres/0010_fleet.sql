-- What a server and its workers tell each other beside the runs.

-- Compiled advisories, in parts of at most a megabyte. They are compressed already.
CREATE TABLE advisory_parts (
    revision TEXT COLLATE "C" NOT NULL,
    part     INTEGER NOT NULL,
    body     BYTEA NOT NULL,
    put_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (revision, part)
);
ALTER TABLE advisory_parts ALTER COLUMN body SET STORAGE EXTERNAL;

-- Which revision holds: one row, or none.
CREATE TABLE advisory_current (
    one  BOOLEAN PRIMARY KEY DEFAULT true CHECK (one),
    body TEXT NOT NULL
);

-- Where the server is.
CREATE TABLE announcements (
    name  TEXT COLLATE "C" PRIMARY KEY,
    value TEXT NOT NULL
);

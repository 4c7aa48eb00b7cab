-- Chains that start by themselves, how they did, and when images were seen. Times are Unix milliseconds in UTC.

CREATE TABLE schedules (
    chain        TEXT NOT NULL,
    cause        TEXT NOT NULL CHECK (cause IN ('schedule', 'advisories')),
    plan_hash    TEXT NOT NULL,
    cron         TEXT,
    zone         TEXT,
    next_fire_at INTEGER,
    PRIMARY KEY (chain, cause),
    CHECK ((cron IS NULL) = (zone IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX schedules_due ON schedules (next_fire_at) WHERE next_fire_at IS NOT NULL;

-- One for each occasion, however many processes look: a due moment, or a revision of the advisories.
CREATE TABLE firings (
    chain      TEXT NOT NULL,
    cause      TEXT NOT NULL CHECK (cause IN ('schedule', 'advisories')),
    occasion   TEXT NOT NULL,
    fire_at    INTEGER NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed', 'missed')),
    skipped    INTEGER NOT NULL,
    counts     TEXT NOT NULL,
    problem    TEXT,
    cursor     TEXT,
    failures   INTEGER NOT NULL,
    fence      INTEGER NOT NULL,
    later_at   INTEGER,
    held_until INTEGER,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (chain, cause, occasion),
    CHECK (state = 'running' OR (later_at IS NULL AND held_until IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX firings_running ON firings (fire_at) WHERE state = 'running';
CREATE INDEX firings_by_time ON firings (chain, cause, fire_at);

-- What registries and others told of images: by tag, and by digest where no tag was told.
CREATE TABLE sightings (
    registry   TEXT NOT NULL,
    repository TEXT NOT NULL,
    reference  TEXT NOT NULL,
    digest     TEXT NOT NULL,
    pushed_at  INTEGER,
    pulled_at  INTEGER,
    running_at INTEGER,
    created_at INTEGER,
    PRIMARY KEY (registry, repository, reference)
) STRICT, WITHOUT ROWID;

-- Chains that start by themselves, how they did, and when images were seen. Times are Unix milliseconds in UTC.

CREATE TABLE schedules (
    chain        TEXT COLLATE "C" NOT NULL,
    cause        TEXT COLLATE "C" NOT NULL CHECK (cause IN ('schedule', 'advisories')),
    plan_hash    TEXT NOT NULL,
    cron         TEXT,
    zone         TEXT,
    next_fire_at BIGINT,
    PRIMARY KEY (chain, cause),
    CHECK ((cron IS NULL) = (zone IS NULL))
);
CREATE INDEX schedules_due ON schedules (next_fire_at) WHERE next_fire_at IS NOT NULL;

-- One for each occasion, however many processes look: a due moment, or a revision of the advisories.
CREATE TABLE firings (
    chain      TEXT COLLATE "C" NOT NULL,
    cause      TEXT COLLATE "C" NOT NULL CHECK (cause IN ('schedule', 'advisories')),
    occasion   TEXT COLLATE "C" NOT NULL,
    fire_at    BIGINT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed', 'missed')),
    skipped    BIGINT NOT NULL,
    counts     TEXT NOT NULL,
    problem    TEXT,
    cursor     TEXT,
    failures   BIGINT NOT NULL,
    fence      BIGINT NOT NULL,
    later_at   BIGINT,
    held_until BIGINT,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (chain, cause, occasion),
    CHECK (state = 'running' OR (later_at IS NULL AND held_until IS NULL))
);
CREATE INDEX firings_running ON firings (fire_at) WHERE state = 'running';
CREATE INDEX firings_by_time ON firings (chain, cause, fire_at);

-- What registries and others told of images: by tag, and by digest where no tag was told.
CREATE TABLE sightings (
    registry   TEXT COLLATE "C" NOT NULL,
    repository TEXT COLLATE "C" NOT NULL,
    reference  TEXT COLLATE "C" NOT NULL,
    digest     TEXT NOT NULL,
    pushed_at  BIGINT,
    pulled_at  BIGINT,
    running_at BIGINT,
    created_at BIGINT,
    PRIMARY KEY (registry, repository, reference)
);

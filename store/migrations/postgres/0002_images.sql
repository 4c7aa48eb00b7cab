-- What is known of images. Bodies are JSON, compressed with zstd; facts are as the scanner made them.
-- They are compressed already: a second time would cost and save nothing.

CREATE TABLE layer_facts (
    layer     TEXT COLLATE "C" NOT NULL,
    analysers TEXT COLLATE "C" NOT NULL,
    body      BYTEA NOT NULL,
    PRIMARY KEY (layer, analysers)
);
ALTER TABLE layer_facts ALTER COLUMN body SET STORAGE EXTERNAL;

CREATE TABLE inventories (
    image TEXT COLLATE "C" PRIMARY KEY,
    body  BYTEA NOT NULL
);
ALTER TABLE inventories ALTER COLUMN body SET STORAGE EXTERNAL;

-- Ascends with every time that a report was made, so that the newest is known.
CREATE SEQUENCE reports_made AS BIGINT;
CREATE TABLE reports (
    id    TEXT COLLATE "C" PRIMARY KEY,
    image TEXT COLLATE "C" NOT NULL,
    made  BIGINT NOT NULL DEFAULT nextval('reports_made'),
    body  BYTEA NOT NULL
);
ALTER SEQUENCE reports_made OWNED BY reports.made;
ALTER TABLE reports ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX reports_by_image ON reports (image, made);

CREATE SEQUENCE fixes_made AS BIGINT;
CREATE TABLE fixes (
    fixed  TEXT COLLATE "C" PRIMARY KEY,
    origin TEXT COLLATE "C" NOT NULL,
    made   BIGINT NOT NULL DEFAULT nextval('fixes_made'),
    body   TEXT NOT NULL
);
ALTER SEQUENCE fixes_made OWNED BY fixes.made;
CREATE INDEX fixes_by_origin ON fixes (origin, made);

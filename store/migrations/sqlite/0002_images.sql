-- What is known of images. Bodies are JSON, compressed with zstd; facts are as the scanner made them.

CREATE TABLE layer_facts (
    layer     TEXT NOT NULL,
    analysers TEXT NOT NULL,
    body      BLOB NOT NULL,
    PRIMARY KEY (layer, analysers)
) STRICT;

CREATE TABLE inventories (
    image TEXT PRIMARY KEY,
    body  BLOB NOT NULL
) STRICT;

CREATE TABLE reports (
    id      TEXT PRIMARY KEY,
    image   TEXT NOT NULL,
    -- Ascends with every time that the report was made, so that the newest is known.
    made    INTEGER NOT NULL,
    body    BLOB NOT NULL
) STRICT;
CREATE INDEX reports_by_image ON reports (image, made);

CREATE TABLE fixes (
    fixed  TEXT PRIMARY KEY,
    origin TEXT NOT NULL,
    made   INTEGER NOT NULL,
    body   TEXT NOT NULL
) STRICT;
CREATE INDEX fixes_by_origin ON fixes (origin, made);

-- Rises with every change of the declared objects: whoever matches against an older set is told.
CREATE TABLE meta (key TEXT PRIMARY KEY, value BIGINT NOT NULL);
INSERT INTO meta VALUES ('objects_version', 1);

-- How much there is. Its one row is locked last in a transaction that stores matches, until the commit: so
-- `match.seq` rises in the order of commits, and who reads behind a seq skips nothing.
CREATE TABLE total (
    one_row BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (one_row),
    match_seq BIGINT NOT NULL DEFAULT 0,
    items BIGINT NOT NULL DEFAULT 0,
    materials BIGINT NOT NULL DEFAULT 0,
    matches BIGINT NOT NULL DEFAULT 0
);
INSERT INTO total DEFAULT VALUES;

CREATE TABLE source (
    name TEXT COLLATE "C" PRIMARY KEY,
    spec TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'new',
    reason TEXT NOT NULL DEFAULT '',
    failures DOUBLE PRECISION NOT NULL DEFAULT 0,
    failed_polls INTEGER NOT NULL DEFAULT 0,
    since TIMESTAMPTZ NOT NULL,
    last_ok TIMESTAMPTZ,
    last_poll TIMESTAMPTZ,
    next_poll TIMESTAMPTZ,
    interval_ms BIGINT,
    validators TEXT,
    moved_to TEXT
);

CREATE TABLE topic (
    name TEXT COLLATE "C" PRIMARY KEY,
    spec TEXT NOT NULL,
    version BIGINT NOT NULL DEFAULT 1,
    -- The version that everything stored was matched against.
    matched_version BIGINT NOT NULL DEFAULT 0,
    materials BIGINT NOT NULL DEFAULT 0
);

-- What an item is known by: the hash (XXH3, 128 bits) of its source and item key. It stays when the item is
-- removed by age: an old entry that is still in its feed is not stored again.
CREATE TABLE identity (
    digest BYTEA PRIMARY KEY,
    item BIGINT NOT NULL,
    first_seen TIMESTAMPTZ NOT NULL
);

CREATE SEQUENCE item_row CACHE 64;

-- A partition a month; what is too old goes with its partition.
CREATE TABLE item (
    item BIGINT NOT NULL,
    id TEXT NOT NULL,
    source TEXT NOT NULL,
    item_key TEXT NOT NULL,
    -- As the source first gave it; empty where it gave none. Never our clock.
    published_key TEXT NOT NULL,
    -- Where an entry without the same identifier is looked for.
    address TEXT,
    title TEXT,
    published_at TIMESTAMPTZ,
    body TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    entry_hash TEXT NOT NULL,
    whole BOOLEAN NOT NULL,
    version BIGINT NOT NULL DEFAULT 1,
    first_seen TIMESTAMPTZ NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    -- The tokens of its analysis, as whoever stored it handed them in.
    words TSVECTOR NOT NULL,
    PRIMARY KEY (item, first_seen)
) PARTITION BY RANGE (first_seen);
CREATE INDEX item_id ON item (id);
CREATE INDEX item_address ON item (source, address) WHERE address IS NOT NULL;
CREATE INDEX item_words ON item USING gin (words);

CREATE TABLE match (
    seq BIGINT NOT NULL,
    topic TEXT COLLATE "C" NOT NULL,
    item BIGINT NOT NULL,
    -- Its item's: a match goes with the month of its item.
    first_seen TIMESTAMPTZ NOT NULL,
    spans TEXT NOT NULL,
    excerpt TEXT NOT NULL,
    matched_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (item, topic, first_seen)
) PARTITION BY RANGE (first_seen);
CREATE INDEX match_topic ON match (topic, seq);
CREATE INDEX match_seq ON match (seq);

CREATE TABLE page (
    source TEXT COLLATE "C" NOT NULL,
    item_key TEXT NOT NULL,
    url TEXT NOT NULL,
    -- The entry's canonical address, as in item.
    address TEXT,
    host TEXT COLLATE "C" NOT NULL,
    entry_hash TEXT NOT NULL,
    entry TEXT NOT NULL,
    tries INTEGER NOT NULL,
    not_before TIMESTAMPTZ NOT NULL,
    published_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (source, item_key)
);
CREATE INDEX page_host ON page (source, host, not_before);
CREATE INDEX page_address ON page (source, address) WHERE address IS NOT NULL;

CREATE TABLE fetch_record (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source TEXT NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX fetch_record_source ON fetch_record (source, id);

CREATE TABLE host_token (
    host TEXT COLLATE "C" PRIMARY KEY,
    -- The highest one seen: a lower one is a node that lost its lease.
    token BIGINT NOT NULL,
    -- What its robots.txt asks for, in milliseconds: for a schedule that is built anew.
    robots_delay BIGINT NOT NULL DEFAULT 0
);

-- What operators changed, and why.
CREATE TABLE audit (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at TIMESTAMPTZ NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    reason TEXT NOT NULL
);

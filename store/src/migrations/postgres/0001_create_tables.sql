-- The version of the declared objects. It rises with every change of them. A write that was matched against an
-- older version is rejected.
CREATE TABLE meta (key TEXT PRIMARY KEY, value BIGINT NOT NULL);
INSERT INTO meta VALUES ('objects_version', 1);

-- Totals, in a single row. A transaction that stores matches locks this row last and until the commit. So
-- `match.seq` rises in the order of commits, and a reader that continues after a seq skips nothing.
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
    -- The topic version that all stored items are matched against.
    matched_version BIGINT NOT NULL DEFAULT 0,
    materials BIGINT NOT NULL DEFAULT 0
);

-- The identity of an item: the hash (XXH3, 128 bits) of its source and item key. It stays when the item is
-- removed, so that an old entry that is still in its feed is not stored again.
CREATE TABLE identity (
    digest BYTEA PRIMARY KEY,
    item BIGINT NOT NULL,
    first_seen TIMESTAMPTZ NOT NULL
);

CREATE SEQUENCE item_row CACHE 64;

-- One partition per month. Old items are removed by dropping their partition.
CREATE TABLE item (
    item BIGINT NOT NULL,
    id TEXT NOT NULL,
    source TEXT NOT NULL,
    item_key TEXT NOT NULL,
    -- The publication time as the source first wrote it; empty if it gave none. Never taken from the local clock.
    published_key TEXT NOT NULL,
    -- The canonical address, by which an entry with an unknown identifier is looked up.
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
    -- The search tokens, as the caller passed them.
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
    -- The value of the item: a match is in the partition of the same month as its item.
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
    -- The entry's canonical address, as in the table item.
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
    -- The highest fencing token seen. A lower one comes from a node that lost its lease.
    token BIGINT NOT NULL,
    -- The crawl delay of the host's robots.txt in milliseconds, for rebuilding the schedule.
    robots_delay BIGINT NOT NULL DEFAULT 0
);

-- The audit log of operators' changes.
CREATE TABLE audit (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at TIMESTAMPTZ NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    reason TEXT NOT NULL
);

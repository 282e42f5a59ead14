CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
-- The version of the declared objects. It rises with every change of them. A write that was matched against an
-- older version is rejected.
INSERT INTO meta VALUES ('objects_version', 1);

CREATE TABLE source (
    name TEXT PRIMARY KEY,
    spec TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'new',
    reason TEXT NOT NULL DEFAULT '',
    failures REAL NOT NULL DEFAULT 0,
    failed_polls INTEGER NOT NULL DEFAULT 0,
    since INTEGER NOT NULL,
    last_ok INTEGER,
    last_poll INTEGER,
    next_poll INTEGER,
    interval INTEGER,
    validators TEXT,
    moved_to TEXT
) WITHOUT ROWID;

CREATE TABLE topic (
    name TEXT PRIMARY KEY,
    spec TEXT NOT NULL,
    version INTEGER NOT NULL,
    -- The topic version that all stored items are matched against.
    matched_version INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE item (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    source TEXT NOT NULL,
    item_key TEXT NOT NULL,
    -- The publication time as the source first wrote it; empty if it gave none. Never taken from the local clock.
    published_key TEXT NOT NULL,
    -- The canonical address, by which an entry with an unknown identifier is looked up.
    address TEXT,
    title TEXT,
    published_at INTEGER,
    body TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    entry_hash TEXT NOT NULL,
    whole INTEGER NOT NULL,
    version INTEGER NOT NULL DEFAULT 1,
    first_seen INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    UNIQUE (source, item_key)
);
CREATE INDEX item_address ON item(source, address) WHERE address IS NOT NULL;
CREATE INDEX item_first_seen ON item(first_seen);

-- The keys of removed items, so that an old entry that is still in its feed is not stored again.
CREATE TABLE forgotten (
    source TEXT NOT NULL,
    item_key TEXT NOT NULL,
    PRIMARY KEY (source, item_key)
) WITHOUT ROWID;

CREATE TABLE match (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    item INTEGER NOT NULL REFERENCES item(row) ON DELETE CASCADE,
    spans TEXT NOT NULL,
    excerpt TEXT NOT NULL,
    matched_at INTEGER NOT NULL,
    UNIQUE (topic, item)
);
CREATE INDEX match_item ON match(item);

CREATE TABLE page (
    source TEXT NOT NULL,
    item_key TEXT NOT NULL,
    url TEXT NOT NULL,
    -- The entry's canonical address, as in the table item.
    address TEXT,
    host TEXT NOT NULL,
    entry_hash TEXT NOT NULL,
    entry TEXT NOT NULL,
    tries INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    published_at INTEGER NOT NULL,
    PRIMARY KEY (source, item_key)
) WITHOUT ROWID;
CREATE INDEX page_host ON page(source, host, not_before);
CREATE INDEX page_address ON page(source, address) WHERE address IS NOT NULL;

CREATE TABLE fetch (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    at INTEGER NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX fetch_source ON fetch(source, id);

CREATE TABLE host_token (host TEXT PRIMARY KEY, token INTEGER NOT NULL) WITHOUT ROWID;

CREATE VIRTUAL TABLE item_words USING fts5(
    tokens, content = '', contentless_delete = 1, tokenize = "ascii tokenchars '~._:,'"
);

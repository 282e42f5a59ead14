-- The distribution of publications over the hours of the day, as JSON; NULL until one is learnt.
ALTER TABLE source ADD COLUMN rhythm TEXT;
-- WebSub subscriptions: the hub that was asked to push a source's new entries, and its decision.
CREATE TABLE subscription (
    source TEXT PRIMARY KEY,
    -- The address of the source at the time of the request.
    source_url TEXT NOT NULL,
    -- The last part of the callback URL, after the base. It is random, so that it cannot be guessed.
    id TEXT NOT NULL UNIQUE,
    base TEXT NOT NULL,
    hub TEXT NOT NULL,
    topic_url TEXT NOT NULL,
    secret TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    ask_again_at INTEGER NOT NULL,
    lease_until INTEGER,
    refused TEXT,
    credit INTEGER NOT NULL DEFAULT 0,
    pushes INTEGER NOT NULL DEFAULT 0,
    entries INTEGER NOT NULL DEFAULT 0,
    missed INTEGER NOT NULL DEFAULT 0,
    polls_saved REAL NOT NULL DEFAULT 0
) WITHOUT ROWID;
-- Documents that hubs pushed and that are not read yet.
CREATE TABLE push (
    push INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    at INTEGER NOT NULL,
    -- The number of times that reading the document was started.
    tries INTEGER NOT NULL DEFAULT 0,
    content_type TEXT,
    body BLOB NOT NULL
);
CREATE INDEX push_source ON push (source, push);

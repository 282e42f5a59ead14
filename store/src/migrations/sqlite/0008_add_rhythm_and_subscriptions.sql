-- At which hours of the day it publishes, as JSON; NULL while nothing is known of that.
ALTER TABLE source ADD COLUMN rhythm TEXT;
-- Which hub was asked to tell what is new in a source, and what came of it.
CREATE TABLE subscription (
    source TEXT PRIMARY KEY,
    -- Where the source was read then.
    source_url TEXT NOT NULL,
    -- What the hub calls, behind the base: nobody can guess it.
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
-- Documents that hubs pushed, and that nobody has read yet.
CREATE TABLE push (
    push INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    at INTEGER NOT NULL,
    -- How often its reading was begun.
    tries INTEGER NOT NULL DEFAULT 0,
    content_type TEXT,
    body BLOB NOT NULL
);
CREATE INDEX push_source ON push (source, push);

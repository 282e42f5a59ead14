-- At which hours of the day it publishes, as JSON; NULL while nothing is known of that.
ALTER TABLE source ADD COLUMN rhythm TEXT;
-- Which hub was asked to tell what is new in a source, and what came of it.
CREATE TABLE subscription (
    source TEXT COLLATE "C" PRIMARY KEY REFERENCES source (name) ON DELETE CASCADE,
    -- Where the source was read then.
    source_url TEXT NOT NULL,
    -- What the hub calls, behind the base: nobody can guess it.
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    base TEXT NOT NULL,
    hub TEXT NOT NULL,
    topic_url TEXT NOT NULL,
    secret TEXT NOT NULL,
    asked_at TIMESTAMPTZ NOT NULL,
    ask_again_at TIMESTAMPTZ NOT NULL,
    lease_until TIMESTAMPTZ,
    refused TEXT,
    credit BIGINT NOT NULL DEFAULT 0,
    pushes BIGINT NOT NULL DEFAULT 0,
    entries BIGINT NOT NULL DEFAULT 0,
    missed BIGINT NOT NULL DEFAULT 0,
    polls_saved DOUBLE PRECISION NOT NULL DEFAULT 0
);
-- Documents that hubs pushed, and that nobody has read yet.
CREATE TABLE push (
    push BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source TEXT COLLATE "C" NOT NULL REFERENCES source (name) ON DELETE CASCADE,
    at TIMESTAMPTZ NOT NULL,
    -- How often its reading was begun.
    tries INTEGER NOT NULL DEFAULT 0,
    content_type TEXT,
    body BYTEA NOT NULL
);
CREATE INDEX push_source ON push (source, push);

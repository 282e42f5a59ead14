-- At which hours of the day it publishes, as JSON; NULL while nothing is known of that.
ALTER TABLE source ADD COLUMN rhythm TEXT;
-- Which hub was asked to tell what is new in a source, and what came of it.
CREATE TABLE subscription (
    source TEXT COLLATE "C" PRIMARY KEY,
    -- What the hub calls: nobody can guess it.
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    hub TEXT NOT NULL,
    topic_url TEXT NOT NULL,
    secret TEXT NOT NULL,
    asked_at TIMESTAMPTZ NOT NULL,
    lease_until TIMESTAMPTZ,
    refused TEXT,
    is_trusted BOOLEAN NOT NULL DEFAULT FALSE,
    pushes BIGINT NOT NULL DEFAULT 0,
    entries BIGINT NOT NULL DEFAULT 0,
    missed BIGINT NOT NULL DEFAULT 0,
    polls_saved DOUBLE PRECISION NOT NULL DEFAULT 0
);
-- Documents that hubs pushed, and that nobody has read yet.
CREATE TABLE push (
    push BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source TEXT COLLATE "C" NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    content_type TEXT,
    body BYTEA NOT NULL
);
CREATE INDEX push_source ON push (source, push);

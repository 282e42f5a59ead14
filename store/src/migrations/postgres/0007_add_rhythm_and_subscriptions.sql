-- The distribution of publications over the hours of the day, as JSON; NULL until one is learnt.
ALTER TABLE source ADD COLUMN rhythm TEXT;
-- WebSub subscriptions: the hub that was asked to push a source's new entries, and its decision.
CREATE TABLE subscription (
    source TEXT COLLATE "C" PRIMARY KEY REFERENCES source (name) ON DELETE CASCADE,
    -- The address of the source at the time of the request.
    source_url TEXT NOT NULL,
    -- The last part of the callback URL, after the base. It is random, so that it cannot be guessed.
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
-- Documents that hubs pushed and that are not read yet.
CREATE TABLE push (
    push BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source TEXT COLLATE "C" NOT NULL REFERENCES source (name) ON DELETE CASCADE,
    at TIMESTAMPTZ NOT NULL,
    -- The number of times that reading the document was started.
    tries INTEGER NOT NULL DEFAULT 0,
    content_type TEXT,
    body BYTEA NOT NULL
);
CREATE INDEX push_source ON push (source, push);

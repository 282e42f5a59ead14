-- How a host is doing while something of it fails, as JSON: read before its turns, written with harvests, under its lease.
CREATE TABLE host_health (
    host TEXT COLLATE "C" PRIMARY KEY,
    health TEXT NOT NULL
);
-- The ledger of incidents: only ever added to, and ended once.
CREATE TABLE host_incident (
    host TEXT COLLATE "C" NOT NULL,
    since TIMESTAMPTZ NOT NULL,
    ended TIMESTAMPTZ,
    reason TEXT NOT NULL,
    PRIMARY KEY (host, since)
);
CREATE INDEX host_incident_since ON host_incident (since);
-- Where the servers of sources said that they moved for good, and since when; NULL: they say so no more. Written by the
-- database itself, as the ledger of availability is.
CREATE TABLE source_move (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source TEXT COLLATE "C" NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    moved_to TEXT
);
CREATE INDEX source_move_source ON source_move (source, id);
INSERT INTO source_move (source, at, moved_to) SELECT name, now(), moved_to FROM source WHERE moved_to IS NOT NULL;
CREATE FUNCTION note_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO source_move (source, at, moved_to) VALUES (NEW.name, coalesce(NEW.last_poll, now()), NEW.moved_to);
    RETURN NULL;
END $$;
CREATE TRIGGER source_moves AFTER UPDATE OF moved_to ON source FOR EACH ROW
    WHEN (NEW.moved_to IS DISTINCT FROM OLD.moved_to) EXECUTE FUNCTION note_move();
-- Items whose likeness to others is not known yet: put here by the database itself, whoever stores them.
CREATE TABLE unlinked (item BIGINT PRIMARY KEY);
INSERT INTO unlinked (item) SELECT item FROM item WHERE first_seen > now() - INTERVAL '3 days';
CREATE FUNCTION note_unlinked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO unlinked (item) SELECT item FROM stored ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER item_is_stored AFTER INSERT ON item REFERENCING NEW TABLE AS stored
    FOR EACH STATEMENT EXECUTE FUNCTION note_unlinked();
-- What an item is known by beside others, and the story it belongs to: the first item of it that was looked at.
CREATE TABLE likeness (
    item BIGINT PRIMARY KEY,
    story BIGINT NOT NULL,
    source TEXT NOT NULL,
    -- When the item was first seen.
    at TIMESTAMPTZ NOT NULL,
    -- In which way it is like the item by which it came to the story; NULL for the first one.
    how TEXT,
    share DOUBLE PRECISION,
    exact BIGINT,
    title BIGINT,
    sketch BYTEA NOT NULL
);
CREATE INDEX likeness_story ON likeness (story);
CREATE INDEX likeness_at ON likeness (at);
-- The keys under which it is looked up, for as long as reprints are linked.
CREATE TABLE likeness_key (
    key BIGINT NOT NULL,
    item BIGINT NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (key, item)
);
CREATE INDEX likeness_key_at ON likeness_key (at);
-- Which fallback of a source stands in for the way in which it is declared to be read, as JSON.
CREATE TABLE stand_in (
    source TEXT COLLATE "C" PRIMARY KEY,
    stand_in TEXT NOT NULL
);
-- Whose publications are not stored any more: of a source, of an author, or of an author in a source. Empty: of any.
CREATE TABLE tombstone (
    source TEXT COLLATE "C" NOT NULL,
    author TEXT NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (source, author)
);
-- Where something stood that was removed by hand: it is known there, whatever identifier its publisher invents for it.
CREATE TABLE removed_address (
    source TEXT COLLATE "C" NOT NULL,
    address TEXT NOT NULL,
    PRIMARY KEY (source, address)
);
-- How far the past of a source was read, as JSON: one that is under way, or the last that ended.
CREATE TABLE backfill (
    source TEXT COLLATE "C" PRIMARY KEY,
    backfill TEXT NOT NULL,
    is_under_way BOOLEAN NOT NULL
);

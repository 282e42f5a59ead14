-- The health of a host while sources of it fail, as JSON. Read before the host's turns, and written with harvests
-- under the host's lease.
CREATE TABLE host_health (
    host TEXT COLLATE "C" PRIMARY KEY,
    health TEXT NOT NULL
);
-- The history of incidents. Rows are only inserted, and updated once when the incident ends.
CREATE TABLE host_incident (
    host TEXT COLLATE "C" NOT NULL,
    since TIMESTAMPTZ NOT NULL,
    ended TIMESTAMPTZ,
    reason TEXT NOT NULL,
    PRIMARY KEY (host, since)
);
CREATE INDEX host_incident_since ON host_incident (since);
-- The permanent moves that the servers of sources announce; NULL if an announcement was withdrawn. A trigger
-- writes the table, as with availability.
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
-- Items that wait to be linked to a story. A trigger queues every new item.
CREATE TABLE unlinked (item BIGINT PRIMARY KEY);
INSERT INTO unlinked (item) SELECT item FROM item WHERE first_seen > now() - INTERVAL '3 days';
CREATE FUNCTION note_unlinked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO unlinked (item) SELECT item FROM stored ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER item_is_stored AFTER INSERT ON item REFERENCING NEW TABLE AS stored
    FOR EACH STATEMENT EXECUTE FUNCTION note_unlinked();
-- The sketch of an item, and the story it belongs to. A story is identified by its first item.
CREATE TABLE likeness (
    item BIGINT PRIMARY KEY,
    story BIGINT NOT NULL,
    source TEXT NOT NULL,
    -- The time at which the item was first seen.
    at TIMESTAMPTZ NOT NULL,
    -- The kind of similarity to the item that placed this one in the story; NULL for the first item.
    how TEXT,
    share DOUBLE PRECISION,
    exact BIGINT,
    title BIGINT,
    sketch BYTEA NOT NULL
);
CREATE INDEX likeness_story ON likeness (story);
CREATE INDEX likeness_at ON likeness (at);
-- The sketch keys by which similar items are looked up. They are deleted when an item is too old for further
-- reprints.
CREATE TABLE likeness_key (
    key BIGINT NOT NULL,
    item BIGINT NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (key, item)
);
CREATE INDEX likeness_key_at ON likeness_key (at);
-- The fallback that replaces the declared way of reading a source, as JSON.
CREATE TABLE stand_in (
    source TEXT COLLATE "C" PRIMARY KEY,
    stand_in TEXT NOT NULL
);
-- Suppressions: the publications of a source, of an author, or of an author in a source are not stored. An empty
-- text means any.
CREATE TABLE tombstone (
    source TEXT COLLATE "C" NOT NULL,
    author TEXT NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (source, author)
);
-- The addresses of items that were taken down. A publication at such an address is not stored again, even with a
-- new identifier.
CREATE TABLE removed_address (
    source TEXT COLLATE "C" NOT NULL,
    address TEXT NOT NULL,
    PRIMARY KEY (source, address)
);
-- The progress of a source's backfill, as JSON: the running one, or else the last that ended.
CREATE TABLE backfill (
    source TEXT COLLATE "C" PRIMARY KEY,
    backfill TEXT NOT NULL,
    is_under_way BOOLEAN NOT NULL
);

-- The health of a host while sources of it fail, as JSON. Read before the host's turns, and written with harvests
-- under the host's lease.
CREATE TABLE host_health (
    host TEXT PRIMARY KEY,
    health TEXT NOT NULL
) WITHOUT ROWID;
-- The history of incidents. Rows are only inserted, and updated once when the incident ends.
CREATE TABLE host_incident (
    host TEXT NOT NULL,
    since INTEGER NOT NULL,
    ended INTEGER,
    reason TEXT NOT NULL,
    PRIMARY KEY (host, since)
) WITHOUT ROWID;
CREATE INDEX host_incident_since ON host_incident (since);
-- The permanent moves that the servers of sources announce; NULL if an announcement was withdrawn. A trigger
-- writes the table, as with availability.
CREATE TABLE source_move (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    at INTEGER NOT NULL,
    moved_to TEXT
);
CREATE INDEX source_move_source ON source_move (source, id);
INSERT INTO source_move (source, at, moved_to)
    SELECT name, unixepoch() * 1000, moved_to FROM source WHERE moved_to IS NOT NULL;
CREATE TRIGGER source_moves AFTER UPDATE OF moved_to ON source WHEN NEW.moved_to IS NOT OLD.moved_to
BEGIN
    INSERT INTO source_move (source, at, moved_to) VALUES (NEW.name, coalesce(NEW.last_poll, unixepoch() * 1000), NEW.moved_to);
END;
-- Items that wait to be linked to a story. A trigger queues every new item.
CREATE TABLE unlinked (item INTEGER PRIMARY KEY);
INSERT INTO unlinked (item) SELECT row FROM item WHERE first_seen > (unixepoch() - 3 * 86400) * 1000;
CREATE TRIGGER item_is_stored AFTER INSERT ON item
BEGIN
    INSERT OR IGNORE INTO unlinked (item) VALUES (NEW.row);
END;
-- The sketch of an item, and the story it belongs to. A story is identified by its first item.
CREATE TABLE likeness (
    item INTEGER PRIMARY KEY,
    story INTEGER NOT NULL,
    source TEXT NOT NULL,
    -- The time at which the item was first seen.
    at INTEGER NOT NULL,
    -- The kind of similarity to the item that placed this one in the story; NULL for the first item.
    how TEXT,
    share REAL,
    exact INTEGER,
    title INTEGER,
    sketch BLOB NOT NULL
);
CREATE INDEX likeness_story ON likeness (story);
CREATE TRIGGER item_is_removed AFTER DELETE ON item
BEGIN
    DELETE FROM unlinked WHERE item = OLD.row;
    DELETE FROM likeness WHERE item = OLD.row;
END;
-- The sketch keys by which similar items are looked up. They are deleted when an item is too old for further
-- reprints.
CREATE TABLE likeness_key (
    key INTEGER NOT NULL,
    item INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (key, item)
) WITHOUT ROWID;
CREATE INDEX likeness_key_at ON likeness_key (at);
-- The fallback that replaces the declared way of reading a source, as JSON.
CREATE TABLE stand_in (
    source TEXT PRIMARY KEY,
    stand_in TEXT NOT NULL
) WITHOUT ROWID;
-- Suppressions: the publications of a source, of an author, or of an author in a source are not stored. An empty
-- text means any.
CREATE TABLE tombstone (
    source TEXT NOT NULL,
    author TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (source, author)
) WITHOUT ROWID;
-- The addresses of items that were taken down. A publication at such an address is not stored again, even with a
-- new identifier.
CREATE TABLE removed_address (
    source TEXT NOT NULL,
    address TEXT NOT NULL,
    PRIMARY KEY (source, address)
) WITHOUT ROWID;
-- The progress of a source's backfill, as JSON: the running one, or else the last that ended.
CREATE TABLE backfill (
    source TEXT PRIMARY KEY,
    backfill TEXT NOT NULL,
    is_under_way INTEGER NOT NULL
) WITHOUT ROWID;

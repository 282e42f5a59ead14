-- How a host is doing while something of it fails, as JSON: read before its turns, written with harvests, under its lease.
CREATE TABLE host_health (
    host TEXT PRIMARY KEY,
    health TEXT NOT NULL
) WITHOUT ROWID;
-- The ledger of incidents: only ever added to, and ended once.
CREATE TABLE host_incident (
    host TEXT NOT NULL,
    since INTEGER NOT NULL,
    ended INTEGER,
    reason TEXT NOT NULL,
    PRIMARY KEY (host, since)
) WITHOUT ROWID;
CREATE INDEX host_incident_since ON host_incident (since);
-- Where the servers of sources said that they moved for good, and since when; NULL: they say so no more. Written by the
-- database itself, as the ledger of availability is.
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
-- Items whose likeness to others is not known yet: put here by the database itself, whoever stores them.
CREATE TABLE unlinked (item INTEGER PRIMARY KEY);
INSERT INTO unlinked (item) SELECT row FROM item WHERE first_seen > (unixepoch() - 3 * 86400) * 1000;
CREATE TRIGGER item_is_stored AFTER INSERT ON item
BEGIN
    INSERT OR IGNORE INTO unlinked (item) VALUES (NEW.row);
END;
-- What an item is known by beside others, and the story it belongs to: the first item of it that was looked at.
CREATE TABLE likeness (
    item INTEGER PRIMARY KEY,
    story INTEGER NOT NULL,
    source TEXT NOT NULL,
    -- When the item was first seen.
    at INTEGER NOT NULL,
    -- In which way it is like the item by which it came to the story; NULL for the first one.
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
-- The keys under which it is looked up, for as long as reprints are linked.
CREATE TABLE likeness_key (
    key INTEGER NOT NULL,
    item INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (key, item)
) WITHOUT ROWID;
CREATE INDEX likeness_key_at ON likeness_key (at);
-- Which fallback of a source stands in for the way in which it is declared to be read, as JSON.
CREATE TABLE stand_in (
    source TEXT PRIMARY KEY,
    stand_in TEXT NOT NULL
) WITHOUT ROWID;
-- Whose publications are not stored any more: of a source, of an author, or of an author in a source. Empty: of any.
CREATE TABLE tombstone (
    source TEXT NOT NULL,
    author TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (source, author)
) WITHOUT ROWID;
-- Where something stood that was removed by hand: it is known there, whatever identifier its publisher invents for it.
CREATE TABLE removed_address (
    source TEXT NOT NULL,
    address TEXT NOT NULL,
    PRIMARY KEY (source, address)
) WITHOUT ROWID;
-- How far the past of a source was read, as JSON: one that is under way, or the last that ended.
CREATE TABLE backfill (
    source TEXT PRIMARY KEY,
    backfill TEXT NOT NULL,
    is_under_way INTEGER NOT NULL
) WITHOUT ROWID;

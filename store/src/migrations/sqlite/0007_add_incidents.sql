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

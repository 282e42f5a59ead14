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

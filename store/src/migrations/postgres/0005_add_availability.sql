-- The state history of each source. Append-only. Triggers write it, so that every change of state is recorded,
-- also those made by builds that do not know this table.
CREATE TABLE availability (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source TEXT COLLATE "C" NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX availability_source ON availability (source, id);
INSERT INTO availability (source, at, state, reason) SELECT name, since, state, reason FROM source ORDER BY name;
CREATE FUNCTION note_availability() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO availability (source, at, state, reason) VALUES (NEW.name, NEW.since, NEW.state, NEW.reason);
    RETURN NULL;
END $$;
CREATE TRIGGER source_is_declared AFTER INSERT ON source FOR EACH ROW EXECUTE FUNCTION note_availability();
CREATE TRIGGER source_state_changes AFTER UPDATE OF state ON source FOR EACH ROW
    WHEN (NEW.state IS DISTINCT FROM OLD.state) EXECUTE FUNCTION note_availability();
CREATE FUNCTION note_removal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO availability (source, at, state, reason) VALUES (OLD.name, now(), 'retired', 'no longer declared');
    RETURN NULL;
END $$;
CREATE TRIGGER source_is_removed AFTER DELETE ON source FOR EACH ROW EXECUTE FUNCTION note_removal();

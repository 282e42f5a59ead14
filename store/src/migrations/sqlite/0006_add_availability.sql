-- The state history of each source. Append-only. Triggers write it, so that every change of state is recorded.
CREATE TABLE availability (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    at INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX availability_source ON availability (source, id);
INSERT INTO availability (source, at, state, reason) SELECT name, since, state, reason FROM source ORDER BY name;
CREATE TRIGGER source_is_declared AFTER INSERT ON source BEGIN
    INSERT INTO availability (source, at, state, reason) VALUES (NEW.name, NEW.since, NEW.state, NEW.reason);
END;
CREATE TRIGGER source_state_changes AFTER UPDATE OF state ON source WHEN NEW.state <> OLD.state BEGIN
    INSERT INTO availability (source, at, state, reason) VALUES (NEW.name, NEW.since, NEW.state, NEW.reason);
END;
CREATE TRIGGER source_is_removed AFTER DELETE ON source BEGIN
    INSERT INTO availability (source, at, state, reason)
        VALUES (OLD.name, CAST(unixepoch('subsec') * 1000 AS INTEGER), 'retired', 'no longer declared');
END;

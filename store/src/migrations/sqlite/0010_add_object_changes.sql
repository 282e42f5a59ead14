-- The change log of the declared objects. A row says that an object was added, edited or removed with a version of the
-- objects. Triggers write it, so the changes of older builds are logged too.
CREATE TABLE object_change (
    version INTEGER NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (version, kind, name)
) WITHOUT ROWID;
-- The log is complete for the versions after this one.
INSERT INTO meta (key, value) SELECT 'object_log_start', value FROM meta WHERE key = 'objects_version';

-- The version of the objects rises at the end of the transaction that changes them.
CREATE TRIGGER source_change_insert AFTER INSERT ON source BEGIN
    INSERT OR IGNORE INTO object_change SELECT value + 1, 'source', NEW.name FROM meta WHERE key = 'objects_version';
END;
CREATE TRIGGER source_change_update AFTER UPDATE OF spec ON source BEGIN
    INSERT OR IGNORE INTO object_change SELECT value + 1, 'source', NEW.name FROM meta WHERE key = 'objects_version';
END;
CREATE TRIGGER source_change_delete AFTER DELETE ON source BEGIN
    INSERT OR IGNORE INTO object_change SELECT value + 1, 'source', OLD.name FROM meta WHERE key = 'objects_version';
END;
CREATE TRIGGER topic_change_insert AFTER INSERT ON topic BEGIN
    INSERT OR IGNORE INTO object_change SELECT value + 1, 'topic', NEW.name FROM meta WHERE key = 'objects_version';
END;
CREATE TRIGGER topic_change_update AFTER UPDATE OF spec, version ON topic BEGIN
    INSERT OR IGNORE INTO object_change SELECT value + 1, 'topic', NEW.name FROM meta WHERE key = 'objects_version';
END;
CREATE TRIGGER topic_change_delete AFTER DELETE ON topic BEGIN
    INSERT OR IGNORE INTO object_change SELECT value + 1, 'topic', OLD.name FROM meta WHERE key = 'objects_version';
    DELETE FROM topic_reference WHERE topic = OLD.name;
END;
CREATE TRIGGER client_change_insert AFTER INSERT ON client BEGIN
    INSERT OR IGNORE INTO object_change SELECT value + 1, 'client', NEW.name FROM meta WHERE key = 'objects_version';
END;
CREATE TRIGGER client_change_update AFTER UPDATE OF spec ON client BEGIN
    INSERT OR IGNORE INTO object_change SELECT value + 1, 'client', NEW.name FROM meta WHERE key = 'objects_version';
END;
CREATE TRIGGER client_change_delete AFTER DELETE ON client BEGIN
    INSERT OR IGNORE INTO object_change SELECT value + 1, 'client', OLD.name FROM meta WHERE key = 'objects_version';
END;
CREATE TRIGGER list_change_insert AFTER INSERT ON list BEGIN
    INSERT OR IGNORE INTO object_change SELECT value + 1, 'list', NEW.name FROM meta WHERE key = 'objects_version';
END;
CREATE TRIGGER list_change_update AFTER UPDATE OF spec ON list BEGIN
    INSERT OR IGNORE INTO object_change SELECT value + 1, 'list', NEW.name FROM meta WHERE key = 'objects_version';
END;
CREATE TRIGGER list_change_delete AFTER DELETE ON list BEGIN
    INSERT OR IGNORE INTO object_change SELECT value + 1, 'list', OLD.name FROM meta WHERE key = 'objects_version';
END;

-- The lists, topics and sources that each topic references. The version of the topic that they were recorded for is
-- `reference_version`; another one means that they are unknown.
CREATE TABLE topic_reference (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    topic TEXT NOT NULL,
    PRIMARY KEY (kind, name, topic)
) WITHOUT ROWID;
CREATE INDEX topic_reference_topic ON topic_reference (topic);
ALTER TABLE topic ADD COLUMN reference_version INTEGER NOT NULL DEFAULT 0;
CREATE INDEX topic_without_references ON topic (name) WHERE reference_version <> version;
CREATE INDEX topic_unmatched ON topic (name) WHERE matched_version <> version;

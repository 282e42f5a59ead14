-- The change log of the declared objects. A row says that an object was added, edited or removed with a version of the
-- objects. Triggers write it, so the changes of older builds are logged too.
CREATE TABLE object_change (
    version BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (version, kind, name)
);
-- The log is complete for the versions after this one.
INSERT INTO meta (key, value) SELECT 'object_log_start', value FROM meta WHERE key = 'objects_version';

-- The version of the objects rises at the end of the transaction that changes them. The lock on its row orders
-- concurrent changes: a later transaction logs a later version.
CREATE FUNCTION log_object_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO object_change (version, kind, name)
        SELECT value + 1, TG_TABLE_NAME, CASE WHEN TG_OP = 'DELETE' THEN OLD.name ELSE NEW.name END
        FROM meta WHERE key = 'objects_version' FOR UPDATE
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER source_change AFTER INSERT OR DELETE OR UPDATE OF spec ON source
    FOR EACH ROW EXECUTE FUNCTION log_object_change();
CREATE TRIGGER topic_change AFTER INSERT OR DELETE OR UPDATE OF spec, version ON topic
    FOR EACH ROW EXECUTE FUNCTION log_object_change();
CREATE TRIGGER client_change AFTER INSERT OR DELETE OR UPDATE OF spec ON client
    FOR EACH ROW EXECUTE FUNCTION log_object_change();
CREATE TRIGGER list_change AFTER INSERT OR DELETE OR UPDATE OF spec ON list
    FOR EACH ROW EXECUTE FUNCTION log_object_change();

-- The lists, topics and sources that each topic references. The version of the topic that they were recorded for is
-- `reference_version`; another one means that they are unknown.
CREATE TABLE topic_reference (
    kind TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    topic TEXT COLLATE "C" NOT NULL REFERENCES topic (name) ON DELETE CASCADE,
    PRIMARY KEY (kind, name, topic)
);
CREATE INDEX topic_reference_topic ON topic_reference (topic);
ALTER TABLE topic ADD COLUMN reference_version BIGINT NOT NULL DEFAULT 0;
CREATE INDEX topic_without_references ON topic (name) WHERE reference_version <> version;
CREATE INDEX topic_unmatched ON topic (name) WHERE matched_version <> version;

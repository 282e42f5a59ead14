-- Declared lists: values that queries reference by one name.
CREATE TABLE list (name TEXT PRIMARY KEY, spec TEXT NOT NULL) WITHOUT ROWID;

-- Declared lists: values that queries name together.
CREATE TABLE list (name TEXT PRIMARY KEY, spec TEXT NOT NULL) WITHOUT ROWID;

-- Declared clients: their plans' weights.
CREATE TABLE client (name TEXT PRIMARY KEY, spec TEXT NOT NULL) WITHOUT ROWID;

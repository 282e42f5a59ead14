-- Declared clients, with the weights of their plans.
CREATE TABLE client (name TEXT PRIMARY KEY, spec TEXT NOT NULL) WITHOUT ROWID;

-- Declared clients: their plans' weights.
CREATE TABLE client (name TEXT COLLATE "C" PRIMARY KEY, spec TEXT NOT NULL);

-- Declared lists: values that queries name together.
CREATE TABLE list (name TEXT COLLATE "C" PRIMARY KEY, spec TEXT NOT NULL);

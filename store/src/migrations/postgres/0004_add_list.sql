-- Declared lists: values that queries reference by one name.
CREATE TABLE list (name TEXT COLLATE "C" PRIMARY KEY, spec TEXT NOT NULL);

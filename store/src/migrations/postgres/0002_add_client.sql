-- Declared clients, with the weights of their plans.
CREATE TABLE client (name TEXT COLLATE "C" PRIMARY KEY, spec TEXT NOT NULL);

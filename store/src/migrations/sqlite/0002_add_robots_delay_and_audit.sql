-- What a host's robots.txt asks for, in milliseconds: for a schedule that is built anew.
ALTER TABLE host_token ADD COLUMN robots_delay INTEGER NOT NULL DEFAULT 0;

-- What operators changed, and why.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    reason TEXT NOT NULL
);

-- The crawl delay of the host's robots.txt in milliseconds, for rebuilding the schedule.
ALTER TABLE host_token ADD COLUMN robots_delay INTEGER NOT NULL DEFAULT 0;

-- The audit log of operators' changes.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    reason TEXT NOT NULL
);

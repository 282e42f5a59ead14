-- What a host's robots.txt asks for, in milliseconds: for a schedule that is built anew.
ALTER TABLE host_token ADD COLUMN robots_delay INTEGER NOT NULL DEFAULT 0;

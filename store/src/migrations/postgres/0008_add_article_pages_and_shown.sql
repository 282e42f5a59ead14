-- The condition of the last article pages, as JSON; NULL until one is read.
ALTER TABLE source ADD COLUMN article_pages TEXT;
-- The entries that the source's document currently shows, as JSON, kept to detect deletions.
ALTER TABLE source ADD COLUMN shown TEXT;

-- What its last article pages were like, as JSON; NULL while none was read.
ALTER TABLE source ADD COLUMN article_pages TEXT;
-- What it showed last, as JSON, where that tells what is taken back.
ALTER TABLE source ADD COLUMN shown TEXT;

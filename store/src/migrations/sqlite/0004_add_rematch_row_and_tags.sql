-- The progress of rematching: the row of the last item that was matched against this version of the topic.
ALTER TABLE topic ADD COLUMN rematch_version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE topic ADD COLUMN rematch_row INTEGER NOT NULL DEFAULT 0;

-- The topic's tags whose rules the item meets.
ALTER TABLE match ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';

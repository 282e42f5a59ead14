-- At which hours of the day it publishes, as JSON; NULL while nothing is known of that.
ALTER TABLE source ADD COLUMN rhythm TEXT;

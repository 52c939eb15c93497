-- Which moment a stream's media begins with, so that events can be shown over it at their time; NULL: not told.

ALTER TABLE streams ADD COLUMN media_started_at timestamptz;

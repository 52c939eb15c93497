-- A source can rest by itself, whatever its streams do. Written by whoever asks for it, not by the holder.

ALTER TABLE source_state ADD COLUMN paused boolean NOT NULL DEFAULT false;

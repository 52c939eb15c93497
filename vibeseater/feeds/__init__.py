"""Feeds: whatever yields a topic's events in order to one consumer. Live or replayed, views can't tell them apart."""

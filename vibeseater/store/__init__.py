"""The store: everything that speaks SQL. PostgreSQL is the truth; nothing here knows of Redis or of a page."""

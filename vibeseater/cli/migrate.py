"""`vibeseater migrate`: bring the database's schema to what this version needs, and say from what to what."""

"""The analytics page: what a stream shows as a whole, as components that work alone too. Nothing is imported here."""

"""The wall: several streams beside each other, on one clock. Nothing is imported here."""

"""Proof that the documents tell the truth: their examples run, their commands are parsed, the reference is whole."""

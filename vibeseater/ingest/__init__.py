"""`POST /ingest/<source_id>`: takes what others send, into sources of type `webhook`. It knows no pages."""

from __future__ import annotations

from vibeseater.ingest.endpoint import Ingest, ingest_routes

__all__ = ["Ingest", "ingest_routes"]

"""What `panel serve dashboards/*.py --plugins vibeseater.plugins` adds to the pages: ingestion, `/rows`, the probes.

It owns nothing but the list of routes, which Panel reads. The connection is the pages' own, made when the first request
comes, in the process and the loop that serve it.
"""

from __future__ import annotations

from vibeseater.ingest import Ingest, ingest_routes
from vibeseater.probes import probe_routes
from vibeseater.views.rows_socket import rows_routes
from vibeseater.views.runtime import shared_seater

__all__ = ["ROUTES"]

_ingest: Ingest | None = None


async def _shared_ingest() -> Ingest:
    """The process's endpoint; another one where the connection is another."""
    global _ingest
    seater = await shared_seater()
    if _ingest is None or _ingest.seater is not seater:
        _ingest = Ingest(seater)
    return _ingest


ROUTES = [*probe_routes(shared_seater), *ingest_routes(_shared_ingest), *rows_routes(shared_seater)]
"""Tornado's routes."""

"""What `panel serve dashboards/*.py --plugins vibeseater.plugins` adds: ingestion, `/rows`, the probes, the gate.

It owns nothing but the list of routes, which Panel reads. The connection is the pages' own, made when the first request
comes, in the process and the loop that serve it.
"""

from __future__ import annotations

from typing import Any

from bokeh.server.tornado import BokehTornado

from vibeseater.gate import Policy, guard
from vibeseater.ingest import Ingest, ingest_routes
from vibeseater.probes import probe_routes
from vibeseater.settings import load_settings
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


def _guard_all() -> None:
    """Put the gate before each server that this process makes: a plugin is given nothing but its list of routes."""
    begin = BokehTornado.__init__

    def begun(self: Any, *arguments: Any, **options: Any) -> None:
        begin(self, *arguments, **options)
        guard(self, Policy.of(load_settings()))

    BokehTornado.__init__ = begun


_guard_all()

"""The polite question of all polled sources: what has changed since, asked where the thing has moved to for good.

It owns what of an answer is kept in a cursor. It must not know what is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yarl import URL

from vibeseater.errors import FetchError, InputError
from vibeseater.sources.addresses import check_url, public_url
from vibeseater.sources.http import Answer, HttpClient, Validators

__all__ = ["get_if_changed"]

_LOST = (404, 410, None)  # of the new address: then the old one is asked again


async def get_if_changed(
    http: HttpClient, url: str, cursor: Any, *, accept: str, headers: Mapping[str, str] | None = None
) -> tuple[Answer, dict[str, Any]]:
    """GET the URL, or where it has moved to for good, if it changed; and the cursor to keep once all is stored.

    Raises:
        InputError, FetchError: as in `HttpClient.get`.
    """
    validators = Validators.from_cursor(cursor, url)
    moved = _moved(cursor) if validators is not None else None
    answer = None
    if moved is not None:
        try:
            answer = await http.get(moved, accept=accept, validators=validators, headers=headers)
        except FetchError as error:
            if error.status not in _LOST:
                raise
            moved, validators = None, None
    if answer is None:
        answer = await http.get(url, accept=accept, validators=validators, headers=headers)
    kept = answer.validators.to_cursor(url)
    target = answer.moved_to or moved
    if target is not None and target != url and _may_be_kept(target, url, secret=bool(headers)):
        kept["moved"] = target
    return answer, kept


def _may_be_kept(target: str, url: str, *, secret: bool) -> bool:
    """An address that holds a secret would stand in the database in clear; and what is secret goes to no new host."""
    return public_url(target) == target and (not secret or URL(target).origin() == URL(url).origin())


def _moved(cursor: Any) -> str | None:
    moved = cursor.get("moved")
    try:
        return str(check_url(moved)) if moved is not None else None
    except InputError:
        return None

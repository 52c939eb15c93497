"""Who opened the page that is being made, and by which rules. It must not know what is shown."""

from __future__ import annotations

from typing import Any

import panel as pn
from panel.util import decode_token
from tornado.web import decode_signed_value

from vibeseater.access.rules import NOBODY, Access, Person, access_of
from vibeseater.login import IN_PAGES
from vibeseater.settings import load_settings

__all__ = ["access_now", "visitor"]


def visitor() -> Person:
    """Who is signed in, as the cookies say that Panel's login signed. Call it while the page is made.

    Nothing else of the request is believed: Panel's own `state.user` takes a cookie that anybody may write.
    """
    name = _signed("user")
    return NOBODY if name is None else Person(name.decode("utf-8", "replace"), _mail(name, _signed("id_token")))


def access_now() -> Access:
    """The rules that the settings name.

    Raises:
        SettingsError: they can't be read.
    """
    return access_of(load_settings().access)


def _signed(cookie: str) -> bytes | None:
    secret: Any = pn.config.cookie_secret
    given = pn.state.cookies or {}
    if secret is None:
        return None
    # As `vibeseater serve` has it in a page's token; below another server of Panel's the cookie itself is there.
    for name in (IN_PAGES[cookie], cookie):
        if value := given.get(name):
            return decode_signed_value(secret, name, value, max_age_days=pn.config.oauth_expiry)
    return None


def _mail(name: bytes, token: bytes | None) -> str | None:
    """The e-mail address that a provider told of that name, unless it says that it may be somebody else's."""
    try:
        told = {} if token is None else decode_token(pn.state._decrypt_cookie(token))
    except Exception:  # whatever Panel's readers raise of what was encrypted with another key, or is no token
        return None
    if not isinstance(told, dict) or name.decode("utf-8", "replace") not in told.values():
        return None  # the one cookie was put beside another's
    mail = told.get("email")
    if not isinstance(mail, str) or str(told.get("email_verified", True)).lower() != "true":
        return None
    return mail.strip() or None

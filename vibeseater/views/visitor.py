"""Who opened the page that is being made, and by which rules. It must not know what is shown."""

from __future__ import annotations

from typing import Any

import panel as pn
from tornado.web import decode_signed_value

from vibeseater.access.rules import NOBODY, Access, Person, access_of
from vibeseater.login import IN_PAGES, mail_of
from vibeseater.settings import load_settings

__all__ = ["access_now", "visitor"]


def visitor() -> Person:
    """Who is signed in, as the cookies say that Panel's login signed. Call it while the page is made.

    Nothing else of the request is believed: Panel's own `state.user` takes a cookie that anybody may write.
    """
    # As `vibeseater serve` has it in a page's token; below another server of Panel's the cookies themselves are there.
    if (name := _signed(IN_PAGES["user"])) is not None:
        mail = (_signed(IN_PAGES["mail"]) or b"").decode("utf-8", "replace") or None
    elif (name := _signed("user")) is not None:
        mail = mail_of(name, _signed("id_token"))
    else:
        return NOBODY
    return Person(name.decode("utf-8", "replace"), mail)


def access_now() -> Access:
    """The rules that the settings name.

    Raises:
        SettingsError: they can't be read.
    """
    return access_of(load_settings().access)


def _signed(cookie: str) -> bytes | None:
    secret: Any = pn.config.cookie_secret
    value = (pn.state.cookies or {}).get(cookie)
    if secret is None or not value:
        return None
    return decode_signed_value(secret, cookie, value, max_age_days=pn.config.oauth_expiry)

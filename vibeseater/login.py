"""Who is signed in: Panel's own basic authentication and OAuth, with cookies that are kept closer. It knows no pages.

Panel asks for the password, speaks with the provider and signs the cookie; this names what they use, and reads the
cookie again for what Panel's handlers don't serve.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bokeh.application.handlers.handler import Handler
from bokeh.document import Document
from bokeh.util.token import get_token_payload
from panel import config, state
from panel.auth import AUTH_PROVIDERS, BasicAuthProvider, OAuthLoginHandler, OAuthProvider
from panel.util import decode_token
from tornado.httputil import HTTPServerRequest
from tornado.web import HTTPError, create_signed_value, decode_signed_value

from vibeseater.errors import SettingsError
from vibeseater.settings import Settings

__all__ = ["IN_PAGES", "KEPT_OUT", "THEME_COOKIE", "Login", "PageCookies", "login_of", "mail_of"]

_TEMPLATES = Path(__file__).parent / "templates"

# A path of this server, as its own pages have it. Browsers take `//`, `///` and `/\\` for the beginning of another
# host, and leave out what is no visible character.
_OWN_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")

# Made before a server forks, so that all its processes read each other's cookies. It ends with the server, and so do
# the logins, unless the settings name one.
_SECRET = secrets.token_urlsafe(32)

Told = Callable[[str | None, bool, str], None]

THEME_COOKIE = "vibeseater_theme"
"""The one cookie that scripts of the pages write, and pages read."""

KEPT_OUT = ["Authorization", "Cookie", "Proxy-Authorization"]
"""Headers that are not for a page's token, which stands in the page and can be read by whoever has its text."""

IN_PAGES = {"user": "page_user", "mail": "page_mail"}
"""What a page's token tells of who is signed in, and under which name: signed for it alone, it is no login. Of what a
provider told, it has the e-mail address alone: its token may be good for other services, and the page's can be read."""


class PageCookies(Handler):  # type: ignore[misc]
    """Of a request's cookies, what a page's token holds; Bokeh would put all of them into it, those of the login too.

    Args:
        cookie_secret: signs the cookies.
        days: until one has to sign in again.
    """

    def __init__(self, cookie_secret: str, days: float) -> None:
        super().__init__()
        self._secret, self._days = cookie_secret, days

    def modify_document(self, doc: Document) -> None:
        """Nothing of it is shown."""

    def process_request(self, request: HTTPServerRequest) -> dict[str, Any]:
        """What Bokeh puts into the token in place of its own."""
        kept = {THEME_COOKIE: request.cookies[THEME_COOKIE].value} if THEME_COOKIE in request.cookies else {}
        user, token = (self._read(request, name) for name in ("user", "id_token"))
        if user:
            told = {"user": user, "mail": (mail_of(user, token) or "").encode()}
            kept |= {IN_PAGES[it]: create_signed_value(self._secret, IN_PAGES[it], told[it]).decode() for it in told}
        return {"cookies": kept}

    def _read(self, request: HTTPServerRequest, name: str) -> bytes | None:
        cookie = request.cookies.get(name)
        if cookie is None:
            return None
        return decode_signed_value(self._secret, name, cookie.value, max_age_days=self._days)


def mail_of(name: bytes, token: bytes | None) -> str | None:
    """The e-mail address that a provider's token tells of that name, unless it says that it may be somebody else's."""
    try:
        told = {} if token is None else decode_token(state._decrypt_cookie(token))
    except Exception:  # whatever Panel's readers raise of what was encrypted with another key, or is no token
        return None
    if not isinstance(told, dict) or name.decode("utf-8", "replace") not in told.values():
        return None  # the one cookie was put beside another's
    mail = told.get("email")
    if not isinstance(mail, str) or str(told.get("email_verified", True)).lower() != "true":
        return None
    return mail.strip() or None


class Login:
    """What a server needs to know who asks.

    Attributes:
        provider: what Bokeh's application takes as `auth_provider`.
        cookie_secret: signs the cookies.
        session_key: signs the pages' sessions, so that nobody makes up one.
        page_cookies: what each page's application is given, so that its token holds no login.
    """

    def __init__(self, provider: Any, cookie_secret: str, days: float) -> None:
        self.provider, self.cookie_secret, self._days = provider, cookie_secret, days
        self.page_cookies = PageCookies(cookie_secret, days)
        self.session_key = hashlib.sha256(b"vibeseater sessions" + cookie_secret.encode()).hexdigest().encode()

    def user(self, request: HTTPServerRequest) -> str | None:
        """Who sent a request; None where nobody is signed in, or no more."""
        cookie = request.cookies.get("user")
        return None if cookie is None else self._read(cookie.value)

    def owns(self, request: HTTPServerRequest, token: str) -> bool:
        """Whether a page's token was made for the user who sent the request."""
        try:
            cookies = get_token_payload(token).get("cookies") or {}
            user = self._read(cookies[IN_PAGES["user"]], IN_PAGES["user"])
        except Exception:  # whatever Bokeh's reader raises: it is no token
            return False
        return user is not None and user == self.user(request)

    def _read(self, value: Any, name: str = "user") -> str | None:
        read = decode_signed_value(self.cookie_secret, name, value, max_age_days=self._days)
        return None if read is None else read.decode("utf-8", "replace")


def login_of(settings: Settings, told: Told | None = None) -> Login | None:
    """What the settings ask for; None where nobody has to sign in. Panel's own settings are set, for this process.

    Args:
        told: called with each try to sign in: the name (None where nobody has it), whether it went well, from where.

    Raises:
        SettingsError: they don't fit together, or the file of passwords can't be read.
    """
    if settings.basic_auth is None and settings.oauth_provider is None:
        return None
    if settings.basic_auth is not None and settings.oauth_provider is not None:
        raise SettingsError("basic_auth and oauth_provider are both set. Keep one of them.")
    secret = settings.cookie_secret or _SECRET
    config.cookie_secret, config.oauth_expiry = secret, settings.login_days
    templates = {
        "login_template": str(_TEMPLATES / "login.html"),
        "error_template": str(_TEMPLATES / "login_error.html"),
    }
    if settings.basic_auth is not None:
        passwords = _passwords(settings.basic_auth)
        return Login(_kept_closer(BasicAuthProvider, passwords, told)(**templates), secret, settings.login_days)
    if settings.oauth_provider not in AUTH_PROVIDERS:
        raise SettingsError(
            f"oauth_provider = {settings.oauth_provider!r}: not known to Panel. Give github, google, azure, okta, "
            "auth0, gitlab, bitbucket or generic."
        )
    config.oauth_provider = settings.oauth_provider
    if not (config.oauth_key and config.oauth_secret):
        raise SettingsError("An OAuth provider needs PANEL_OAUTH_KEY and PANEL_OAUTH_SECRET. Set both.")
    return Login(_kept_closer(OAuthProvider, {}, told)(**templates), secret, settings.login_days)


def _passwords(path: Path) -> dict[str, str]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"basic_auth = {str(path)!r}: can't be read ({type(error).__name__}). Mend it.") from None
    if not isinstance(read, dict) or not read or not all(isinstance(one, str) and one for one in read.values()):
        raise SettingsError(f'basic_auth = {str(path)!r}: not names and passwords. Write {{"name": "password"}}.')
    return read


def _kept_closer(base: Any, passwords: dict[str, str], told: Told | None) -> Any:
    """Panel's provider, whose login handler's cookies go nowhere but here, and which compares in constant time."""

    class _Provider(base):  # type: ignore[misc]
        @property
        def login_handler(self) -> Any:
            handler = super().login_handler

            class _Handler(handler):  # type: ignore[misc, valid-type]
                def set_cookie(self, name: str, value: Any, *arguments: Any, **options: Any) -> None:
                    options["samesite"], options["httponly"] = "Lax", True
                    options["secure"] = self.request.protocol == "https"
                    super().set_cookie(name, value, *arguments, **options)

                def set_secure_cookie(self, name: str, value: Any, *arguments: Any, **options: Any) -> None:
                    if name == "user":
                        self._user = str(value)
                    super().set_secure_cookie(name, value, *arguments, **options)

                def on_finish(self) -> None:
                    super().on_finish()
                    user = getattr(self, "_user", None)
                    asked = self.request.arguments
                    tried = self.request.method == "POST" or bool({"code", "error"} & set(asked))
                    if told is None or (user is None and not (tried and self.get_status() >= 400)):
                        return
                    name = asked.get("username", [b""])[-1].decode("utf-8", "replace")
                    told(user or (name if name in passwords else None), user is not None, self.request.remote_ip or "")

                async def prepare(self) -> None:
                    waiting = super().prepare()
                    if waiting is not None:
                        await waiting
                    if not _OWN_PATH.fullmatch(self.get_argument("next", "/")):
                        raise HTTPError(400, reason="That page is not of this server")

                @property
                def _redirect_uri(self) -> str:
                    # Panel's own default is the server's root, which is not where this handler is.
                    here = f"{self.request.protocol}://{self.request.host}{self.request.path}"
                    return str(config.oauth_redirect_uri or here)

            return _Handler if issubclass(handler, OAuthLoginHandler) else _asks_for(passwords, _Handler)

    return _Provider


def _asks_for(passwords: dict[str, str], base: Any) -> Any:
    """Panel's handler of passwords, which keeps the page that was asked for in the form itself: Panel keeps it in a
    cookie, which the next login page, of a wrong password or in another tab, writes over."""

    class _Asking(base):  # type: ignore[misc]
        def get(self) -> None:
            self._ask()

        def post(self) -> None:
            name, password = self.get_argument("username", ""), self.get_argument("password", "", strip=False)
            if self._validate(name, password):
                self.set_current_user(name)
                self.redirect(self._wanted())
            else:
                self.set_status(401)
                self._ask(name, "Wrong name or password.")

        def _wanted(self) -> str:
            return str(self.get_argument("next", f"{self.application.prefix}/"))

        def _ask(self, name: str = "", message: str = "") -> None:
            self.set_header("Cache-Control", "no-store")
            self.write(self._login_template.render(next=self._wanted(), name=name, errormessage=message))

        def _validate(self, username: str, password: str) -> bool:
            known = passwords.get(username, "")
            same = hmac.compare_digest(known.encode(), password.encode("utf-8", "surrogatepass"))
            return same and bool(known)

    return _Asking

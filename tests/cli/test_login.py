"""`vibeseater serve` with a login: nobody passes who is not signed in, and nobody takes over another's page."""

from __future__ import annotations

import contextlib
import html
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from bokeh.util.token import get_session_id, get_token_payload

from tests.cli.processes import Commands, served
from tests.servers import eventually
from vibeseater import VibeSeater
from vibeseater.errors import SettingsError
from vibeseater.login import login_of
from vibeseater.settings import Settings


@contextlib.asynccontextmanager
async def _browser() -> AsyncIterator[aiohttp.ClientSession]:
    """Keeps cookies, as a browser does."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield session


@pytest.fixture
def passwords(tmp_path: Path) -> Path:
    path = tmp_path / "passwords.json"
    path.write_text(json.dumps({"ada": "engine", "bob": "builder"}))
    return path


def _token(page: str) -> str:
    return page.split('"token":"', 1)[1].split('"', 1)[0]


async def _sign_in(http: aiohttp.ClientSession, url: str, name: str, password: str) -> aiohttp.ClientResponse:
    return await http.post(
        f"{url}/login", data={"username": name, "password": password}, headers={"Origin": url}, allow_redirects=False
    )


async def _signed_in(seater: VibeSeater, number: int) -> list[str]:
    """Who signed in, when so many have, the first first."""

    async def so_many() -> bool:
        return len(await seater.audit(action="sign_in", outcome="done")) == number

    await eventually(so_many)
    return [one.who for one in reversed(await seater.audit(action="sign_in", outcome="done"))]


async def _refused(http: aiohttp.ClientSession, url: str, path: str, token: str) -> int:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await http.ws_connect(f"{url}/{path}", origin=url, protocols=("bokeh", token))
    return refused.value.status


async def test_nobody_passes_who_is_not_signed_in(commands: Commands, passwords: Path, seater: VibeSeater) -> None:
    """Pages lead to the login; `/rows` and all else is refused; the probes are for everybody. And with a wrong
    password, an empty one, a name that is not known, from a foreign page, or too often, nobody is signed in. Who did,
    and who tried in vain, is recorded; what was typed for a name is not, unless it is one."""
    async with served(commands, "--basic-auth", str(passwords)) as (_, url), _browser() as http, _browser() as other:
        for page in ("streams", "operations", "stream?id=x"):
            async with http.get(f"{url}/{page}") as answer:
                assert answer.url.path == "/login"
                assert "token" not in await answer.text()
        for path, status in (("healthz", 200), ("readyz", 200), ("nothing", 401), ("streams/metadata", 401)):
            async with http.get(f"{url}/{path}", allow_redirects=False) as answer:
                assert answer.status in ((status, 302) if status == 401 else (status,)), path
        for path in ("streams/ws", "rows?after=0"):
            assert await _refused(http, url, path, "eyJzZXNzaW9uX2lkIjogIm5ldyJ9") == 401
        async with http.get(f"{url}/login?error=<script>window.owned</script>") as answer:
            assert "<script>" not in await answer.text()
        assert (await http.post(f"{url}/login", data={}, headers={"Origin": "http://evil.example"})).status == 403
        for elsewhere in ("//evil.example", "///evil.example", "/%5Cevil.example", "/%09/evil.example", "https:evil"):
            assert (await http.get(f"{url}/login?next={elsewhere}", allow_redirects=False)).status == 400, elsewhere

        for name, password in (("ada", "wrong"), ("ada", ""), ("eve", ""), ("", "")):
            answer = await _sign_in(http, url, name, password)
            assert "user" not in answer.cookies
        answer = await _sign_in(http, url, "ada", "engine")
        assert answer.status == 302
        cookie = answer.cookies["user"]
        assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
        page = await (await http.get(f"{url}/streams")).text()
        async with http.ws_connect(f"{url}/streams/ws", origin=url, protocols=("bokeh", _token(page))) as socket:
            assert "ACK" in str(await socket.receive(timeout=20))

        await _sign_in(other, url, "bob", "builder")
        assert await _refused(other, url, "streams/ws", _token(page)) == 403  # ada's page, stolen
        made_up = _token(await (await other.get(f"{url}/streams")).text()).split(".")[0] + "." + "A" * 43
        async with other.ws_connect(f"{url}/streams/ws", origin=url, protocols=("bokeh", made_up)) as socket:
            assert (await socket.receive(timeout=20)).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        async with aiohttp.ClientSession(cookies={"user": cookie.value[:-4] + "AAAA"}) as forged:
            assert await _refused(forged, url, "streams/ws", _token(page)) == 401

        statuses = [(await _sign_in(http, url, "ada", str(n))).status for n in range(10)]
        assert statuses[-1] == 429
        assert await _signed_in(seater, 2) == ["ada", "bob"]
        refused = await seater.audit(action="sign_in", outcome="refused")
        assert {(one.who, one.object_name) for one in refused} == {("not signed in", "ada"), ("not signed in", None)}
        assert len(refused) == 4 + statuses.count(401)
        assert refused[0].changes["address"][1] in ("127.0.0.1", "::1")
        await http.get(f"{url}/logout")
        async with http.get(f"{url}/streams", allow_redirects=False) as answer:
            assert answer.status == 302


async def test_no_page_is_entered_by_its_session_s_name(commands: Commands, passwords: Path) -> None:
    """Neither another's, with what was stolen of it, nor one whose name was made for oneself and left to somebody else,
    who would open it with more rights. However it is told: in the address, a header, or a body."""
    async with served(commands, "--basic-auth", str(passwords)) as (_, url), _browser() as http, _browser() as other:
        await _sign_in(http, url, "ada", "engine")
        await _sign_in(other, url, "bob", "builder")
        token = _token(await (await http.get(f"{url}/streams")).text())
        session = get_session_id(token)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        for page in ("streams", "streams/", "streams/autoload.js"):
            element = "bokeh-autoload-element=x"
            asked: list[tuple[str, dict[str, Any]]] = [
                (f"bokeh-session-id={session}", {}),
                (f"bokeh%2Dsession-id={session}", {}),
                (f"bokeh-token={token}", {}),
                ("", {"headers": {"Bokeh-Session-Id": session}}),
                ("", {"headers": form, "data": f"bokeh-session-id={session}"}),
                ("", {"headers": form, "data": f"bokeh-token={token}"}),
            ]
            for query, options in asked:
                async with other.get(f"{url}/{page}?{element}&{query}", **options) as answer:
                    assert answer.status == 403, (page, query, options)
                    assert '"token"' not in await answer.text()
            async with other.get(f"{url}/{page}?{element}") as answer:
                assert answer.status == 200


async def test_a_page_s_text_holds_no_login(commands: Commands, passwords: Path) -> None:
    """Who gets hold of a page's text, saved or sent, or of its token, is not signed in by what stands in it."""
    async with served(commands, "--basic-auth", str(passwords)) as (_, url), _browser() as http:
        cookie = (await _sign_in(http, url, "ada", "engine")).cookies["user"].value
        headers = {"Authorization": "Bearer of-a-proxy"}
        page = await (await http.get(f"{url}/streams", headers=headers)).text()
        told = json.dumps(get_token_payload(_token(page)))
        assert cookie.strip('"') not in told
        assert "of-a-proxy" not in told
        assert "page_user" in told
        for value in json.loads(told)["cookies"].values():
            for name in ("user", "page_user"):
                async with aiohttp.ClientSession(headers={"Cookie": f"{name}={value}"}) as thief:
                    async with thief.get(f"{url}/streams", allow_redirects=False) as answer:
                        assert answer.status == 302
                    assert await _refused(thief, url, "streams/ws", _token(page)) == 401


async def test_who_mistypes_a_password_still_gets_the_page_that_was_asked_for(
    commands: Commands, passwords: Path
) -> None:
    """As a browser does it: with what the form holds. Also where another page asked for a login meanwhile, and where
    the form was changed to lead elsewhere, nowhere."""
    async with served(commands, "--basic-auth", str(passwords), "--prefix", "/events") as (_, url), _browser() as http:
        wanted = "/events/stream?id=a%20%22b%22&tab=2"
        answer = await http.get(f"{url.partition('/events')[0]}{wanted}")
        page = await answer.text()
        await http.get(f"{url}/operations")
        for password, status in (("wrong", 401), ("also wrong", 401), ("engine", 302)):
            fields = dict(
                re.findall(r'<input [^>]*name="(\w+)"[^>]* value="([^"]*)"', page.replace('type="hidden" ', ""))
            )
            assert html.unescape(fields["next"]) == wanted
            form = {"next": html.unescape(fields["next"]), "username": "ada", "password": password}
            answer = await http.post(f"{url}/login", data=form, headers={"Origin": url}, allow_redirects=False)
            assert (answer.status, "user" in answer.cookies) == (status, status == 302)
            page = await answer.text()
        assert answer.headers["Location"] == wanted
        for elsewhere in (
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "https://evil.example",
            "javascript:1",
        ):
            form = {"next": elsewhere, "username": "ada", "password": "engine"}
            answer = await http.post(f"{url}/login", data=form, allow_redirects=False)
            assert (answer.status, answer.headers.get("Location")) == (400, None), elsewhere


async def test_over_https_cookies_stay_there(commands: Commands, passwords: Path) -> None:
    async with served(commands, "--basic-auth", str(passwords), "--behind-proxy") as (_, url), _browser() as http:
        answer = await http.post(
            f"{url}/login",
            data={"username": "ada", "password": "engine"},
            headers={"X-Forwarded-Proto": "https"},
            allow_redirects=False,
        )
        assert answer.cookies["user"]["secure"] is True


async def test_metrics_are_for_who_has_the_token(commands: Commands, seater: VibeSeater) -> None:
    """Without one, for this machine, but not for what a proxy on it passes on."""
    async with served(commands) as (_, url), _browser() as http:
        assert (await http.get(f"{url}/metrics")).status == 200
        assert (await http.get(f"{url}/metrics", headers={"X-Forwarded-For": "192.0.2.1"})).status == 401
    commands.environment["VIBESEATER_METRICS_TOKEN"] = "tell me"
    async with served(commands) as (_, url), _browser() as http:
        for sent, status in ((None, 401), ("Bearer x", 401), ("tell me", 401), ("Bearer tell me", 200)):
            headers = {} if sent is None else {"Authorization": sent}
            assert (await http.get(f"{url}/metrics", headers=headers)).status == status, sent


async def test_metrics_are_for_operators(
    commands: Commands, seater: VibeSeater, passwords: Path, tmp_path: Path
) -> None:
    """They name topics: of those that are signed in, with rules, they are for operators who see all streams."""
    rules = tmp_path / "access.toml"
    rules.write_text('[users]\nada = "operator"\nbob = "viewer"')
    commands.environment["VIBESEATER_METRICS_TOKEN"] = "tell me"
    async with served(commands, "--basic-auth", str(passwords), "--access", str(rules)) as (_, url):
        for name, password, status in (("ada", "engine", 200), ("bob", "builder", 401)):
            async with _browser() as http:
                await _sign_in(http, url, name, password)
                assert (await http.get(f"{url}/metrics")).status == status, name


@contextlib.asynccontextmanager
async def _provider() -> AsyncIterator[str]:
    """A provider of OAuth that signs in Ada, and nobody who brings another code or secret."""

    async def authorize(request: web.Request) -> web.Response:
        assert request.query["client_id"] == "our-key"
        assert urlsplit(request.query["redirect_uri"]).path == "/login"  # providers take what was registered, no other
        where = f"{request.query['redirect_uri']}?code=granted&state={request.query['state']}"
        raise web.HTTPFound(where)

    async def token(request: web.Request) -> web.Response:
        sent = await request.post()
        if (sent["code"], sent["client_secret"]) != ("granted", "our-secret"):
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response({"access_token": "an-access-token", "token_type": "bearer"})

    async def user(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer an-access-token"
        return web.json_response({"email": "ada@example.org"})

    application = web.Application()
    application.add_routes([web.get("/authorize", authorize), web.post("/token", token), web.get("/user", user)])
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_one_signs_in_at_a_provider(commands: Commands, seater: VibeSeater) -> None:
    """The whole way: to the provider, back with its code, the code for a token, the token for a name; then pages open.
    A code that the provider does not know, or a state that is not this browser's, signs nobody in. All is recorded."""
    async with _provider() as provider:
        commands.environment |= {
            "PANEL_OAUTH_KEY": "our-key",
            "PANEL_OAUTH_SECRET": "our-secret",
            "PANEL_OAUTH_AUTHORIZE_URL": f"{provider}/authorize",
            "PANEL_OAUTH_TOKEN_URL": f"{provider}/token",
            "PANEL_OAUTH_USER_URL": f"{provider}/user",
        }
        async with served(commands, "--oauth-provider", "generic") as (_, url), _browser() as http, _browser() as other:
            async with http.get(f"{url}/streams") as answer:
                assert (answer.status, answer.url.path) == (200, "/streams")
                page = await answer.text()
            async with http.ws_connect(f"{url}/streams/ws", origin=url, protocols=("bokeh", _token(page))) as socket:
                assert "ACK" in str(await socket.receive(timeout=20))
            for query in ("code=granted&state=made-up", "code=granted", "error=<script>window.owned</script>"):
                async with other.get(f"{url}/login?{query}", allow_redirects=False) as answer:
                    assert answer.status != 200 or "<script>" not in await answer.text()
                    assert "user" not in answer.cookies or not answer.cookies["user"].value
            async with other.get(f"{url}/streams", allow_redirects=False) as answer:
                assert answer.status == 302
            assert await _signed_in(seater, 1) == ["ada@example.org"]

            async def refused() -> bool:
                return len(await seater.audit(action="sign_in", outcome="refused")) == 3

            await eventually(refused)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"basic_auth": Path("/nowhere"), "oauth_provider": "github"}, "both set"),
        ({"basic_auth": Path("/nowhere")}, "can't be read"),
        ({"oauth_provider": "nobody"}, "not known to Panel"),
        ({"oauth_provider": "github"}, "PANEL_OAUTH_KEY"),
    ],
)
def test_what_does_not_fit_is_told(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        login_of(Settings(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"ada": ""}', '{"ada": 1}', '"one password for all"'])
def test_a_file_of_passwords_that_is_none_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "passwords.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match="basic_auth"):
        login_of(Settings(basic_auth=path))

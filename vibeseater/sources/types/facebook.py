"""`facebook`: the posts of a Facebook page, through the Graph API.

It owns the paging, what a post becomes, and how the API says that it is asked too much. The token goes into a header,
never into an address, and stands in the config by reference.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlencode

import msgspec

from vibeseater.errors import FetchError, InputError, SourceError
from vibeseater.sources.addresses import check_url, refuse_private_url
from vibeseater.sources.base import Interval, Item, Poll, PolledSource, ReadConfig, clip_id, oldest_first
from vibeseater.sources.credentials import Secret, reveal
from vibeseater.sources.http import Answer
from vibeseater.sources.json_document import decode_json
from vibeseater.sources.text import clean_text, safe_link, strip_markup
from vibeseater.sources.times import parse_time, plausible

__all__ = ["FacebookConfig", "FacebookSource"]

_FIELDS = "id,message,story,created_time,updated_time,permalink_url,from{name},status_type,full_picture"
_PAGE = 50  # posts in an answer
_BUSY, _FULL = 75.0, 95.0  # percent of what the app may use: then it is asked less often, or hardly
_SLOWER, _REST = 4.0, 900.0  # times the interval; seconds
_TOO_MUCH = {4, 17, 32, 341, 613, 80000, 80001, 80002, 80003, 80004, 80005, 80006, 80008}
_NO_TOKEN = {102, 190, 467}


class FacebookConfig(ReadConfig, frozen=True, kw_only=True):
    """What `facebook` asks for.

    Attributes:
        page: the page's id or name.
        token: an access token that may read the page, by reference: `env:NAME`.
        edge: `posts` (the page's own), `feed` (what others wrote there too) or `visitor_posts`.
        interval: seconds between two polls; more where the API says that it is asked too much.
        pages: how many answers are followed in one poll to reach the posts that are known.
        version: the Graph API's version.
        api: the Graph API's address.
        event_type: the type of its events.
    """

    page: str
    token: Secret
    edge: Literal["posts", "feed", "visitor_posts"] = "posts"
    interval: Interval = 300.0
    pages: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10
    version: Annotated[str, msgspec.Meta(pattern=r"^v\d{1,3}\.\d{1,2}$")] = "v23.0"
    api: str = "https://graph.facebook.com"
    event_type: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] = "facebook_post"

    def check(self) -> None:
        """The page must be an id or a name, the API's address a whole one."""
        if not re.fullmatch(r"[\w.-]{1,100}", self.page):
            raise InputError("config.page", self.page, "not a page's id or name", "Give the last part of its address")
        check_url(self.api, "config.api", example="https://graph.facebook.com")

    def check_reach(self) -> None:
        """The API's address."""
        refuse_private_url(self.api, "config.api")


class FacebookSource(PolledSource):
    """Asks for a page's newest posts."""

    type = "facebook"
    Config = FacebookConfig

    async def poll(self, cursor: Any) -> Poll:
        """Follow the paging from the newest post down to those that are known; at first one answer.

        With `updates`, one answer is read in any case, so that changes of known posts are seen.
        """
        config: FacebookConfig = self.config
        known = _newest(cursor)
        newest, reached, held = known, False, False
        items: list[Item] = []
        flaws: list[str] = []
        after: str | None = None
        waits: list[float] = []
        for _ in range(config.pages if known is not None else 1):
            answer = await self._ask(after)
            document = decode_json(answer)
            posts, after = _page(document, answer)
            waits.append(_asked_wait(answer.headers, config.interval))
            for post in posts:
                try:
                    item = _item(post, config.event_type)
                except ValueError as flaw:
                    flaws.append(str(flaw))
                    continue
                items.append(item)
                when = item.occurred_at
                reached = reached or (known is not None and when is not None and when <= known)
                newest = max(filter(None, (newest, when)), default=None)
            held = max(waits) > config.interval
            if reached or after is None or held:
                break
        if known is not None and not reached and after is not None:
            if held:
                newest = known  # the API wants rest: the next poll has to look as far back again
            else:
                flaws.append(f"over {len(items)} posts since the last poll, older ones were not read: raise `pages`")
        if flaws and not items:
            raise SourceError(f"none of the {len(flaws)} posts can be used: {flaws[0]}")
        return Poll(
            items=oldest_first({item.external_id: item for item in items}.values(), newest_first=True),
            cursor={"newest": newest.isoformat() if newest is not None else None},
            rejected=len(flaws),
            problem=flaws[-1] if flaws else None,
            next_after=max([*waits, answer.next_after or 0.0]) or None,
        )

    async def _ask(self, after: str | None) -> Answer:
        config: FacebookConfig = self.config
        query = {"fields": _FIELDS, "limit": _PAGE, **({"after": after} if after else {})}
        url = f"{config.api.rstrip('/')}/{config.version}/{quote(config.page)}/{config.edge}?{urlencode(query)}"
        answer = await self.tools.http.get(
            url,
            accept="application/json",
            headers={"Authorization": f"Bearer {reveal(config.token)}"},
            errors_too=True,
        )
        if answer.status >= 400 or b'"error"' in answer.body[:200]:
            raise _refusal(answer, config.interval)
        return answer


def _newest(cursor: Any) -> datetime | None:
    try:
        return parse_time(cursor["newest"]) if isinstance(cursor, dict) else None
    except (KeyError, ValueError):
        return None


def _page(document: Any, answer: Answer) -> tuple[list[Any], str | None]:
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, list):
        raise SourceError(f"{answer.url}: the answer is no list of posts")
    paging = document.get("paging")
    more = isinstance(paging, dict) and isinstance(paging.get("next"), str)
    cursors = paging.get("cursors") if isinstance(paging, dict) else None
    after = cursors.get("after") if isinstance(cursors, dict) else None
    # The address of the next answer holds the token, so it is not followed: the cursor in it is told beside it.
    return data, after if more and isinstance(after, str) and len(after) < 2000 else None


def _refusal(answer: Answer, interval: float) -> FetchError:
    """The API's own error: what it says, and how long to wait."""
    try:
        error = decode_json(answer)["error"]
        code, message = error.get("code"), clean_text(error.get("message", ""), 300)
    except (SourceError, KeyError, TypeError, AttributeError):
        code, message = None, "no reason given"
    wait = answer.next_after
    if code in _TOO_MUCH or answer.status == 429:
        wait = max(wait or 0.0, _asked_wait(answer.headers, interval), _REST)
        message = f"asked too much ({message})"
    elif code in _NO_TOKEN or answer.status == 401:
        wait = max(wait or 0.0, _REST)
        message = f"the token is not accepted ({message}). Renew it, and set its variable"
    shown = f"{answer.url.partition('?')[0]}: the Graph API says {answer.status}: {message}"
    return FetchError(shown, url=answer.url, status=None if answer.status < 400 else answer.status, retry_after=wait)


def _asked_wait(headers: Mapping[str, str], interval: float) -> float:
    """Seconds until the next question, by what the API says is used up: X-App-Usage and its kin, in percent."""
    used, regain = 0.0, 0.0
    for name in ("x-app-usage", "x-page-usage", "x-business-use-case-usage"):
        try:
            usage = msgspec.json.decode(headers.get(name, "{}"))
        except (msgspec.DecodeError, RecursionError):
            continue
        for figures in _usages(usage):
            used = max([used, *(_number(figures.get(what)) for what in ("call_count", "total_time", "total_cputime"))])
            regain = max(regain, 60 * _number(figures.get("estimated_time_to_regain_access")))
    if used >= _FULL or regain:
        return min(max(_REST, regain), 86_400.0)
    return interval * _SLOWER if used >= _BUSY else 0.0


def _usages(usage: Any) -> list[dict[str, Any]]:
    if not isinstance(usage, dict):
        return []
    nested = [one for value in usage.values() if isinstance(value, list) for one in value if isinstance(one, dict)]
    return [usage, *nested]


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and 0 <= value < 1e9 else 0.0


def _item(post: Any, event_type: str) -> Item:
    if not isinstance(post, dict) or not isinstance(post.get("id"), str) or not post["id"]:
        raise ValueError("a post without an id")
    text = strip_markup(post["message"]) if isinstance(post.get("message"), str) else ""
    story = strip_markup(post["story"], 500) if isinstance(post.get("story"), str) else ""
    author = post.get("from")
    content: dict[str, Any] = {
        "title": clean_text(text or story or "(without text)", 200),
        "text": text,
        "story": story,
        "author": clean_text(author.get("name", ""), 200) if isinstance(author, dict) else "",
        "link": safe_link(post.get("permalink_url")),
        "kind": clean_text(post.get("status_type") or "", 50),
    }
    return Item(
        external_id=clip_id(post["id"]),
        event_type=event_type,
        content={name: value for name, value in content.items() if value},
        occurred_at=_time(post.get("created_time")),
        metadata={"picture": picture} if (picture := safe_link(post.get("full_picture"))) else {},
    )


def _time(value: Any) -> datetime | None:
    """Facebook writes +0000, which is no ISO 8601 for older Pythons' readers."""
    try:
        text = re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", value) if isinstance(value, str) else value
        return plausible(parse_time(text))
    except ValueError:
        return None

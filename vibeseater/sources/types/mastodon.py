"""`mastodon`: the posts of a Mastodon timeline, asked for again and again or listened to.

It owns what a post becomes. A post that was edited is the same post with other content (see `updates`); when listened
to, a post that was deleted is an event of type `…_deleted`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import msgspec

from vibeseater.errors import FetchError, InputError, SourceError
from vibeseater.sources.addresses import check_url, refuse_private_url
from vibeseater.sources.base import (
    Batch,
    Interval,
    Item,
    Poll,
    PolledSource,
    ReadConfig,
    SourceType,
    StreamingSource,
    Tools,
    clip_id,
)
from vibeseater.sources.credentials import Secret, reveal
from vibeseater.sources.gathering import gathered
from vibeseater.sources.json_document import decode_json
from vibeseater.sources.sse_parser import Message, SseParser
from vibeseater.sources.text import clean_text, safe_link, strip_markup
from vibeseater.sources.times import parse_time, plausible

__all__ = ["MastodonConfig", "MastodonSource", "MastodonStream", "to_post"]

_PAGE = 40  # posts in an answer, the most that servers give
_MOST_PAGES = 10  # of posts that came since the last poll
_IDLE = 90.0  # seconds; servers send a sign of life each 15


class MastodonConfig(ReadConfig, frozen=True, kw_only=True):
    """What `mastodon` asks for.

    Attributes:
        server: the instance, `https://mastodon.social`.
        timeline: `public`, `local`, `home`, `#hashtag` or `list:ID`.
        streaming: whether to listen rather than to ask again and again; most servers want a token for it.
        interval: seconds between two polls.
        token: an access token, by reference: `env:NAME`.
        event_type: the type of its events.
    """

    server: str
    timeline: str = "public"
    streaming: bool = False
    interval: Interval = 60.0
    token: Secret | None = None
    event_type: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] = "mastodon_post"

    def check(self) -> None:
        """The server must be a whole address, the timeline a known one."""
        url = check_url(self.server, "config.server", example="https://mastodon.social")
        if url.path not in ("", "/") or url.query_string:
            raise InputError("config.server", str(url.with_query(None)), "more than a server", f"Give {url.origin()}")
        kind, _, rest = self.timeline.partition(":")
        if not (
            self.timeline in ("public", "local", "home")
            or (self.timeline.startswith("#") and self.timeline[1:].strip())
            or (kind == "list" and rest.isalnum())
        ):
            raise InputError(
                "config.timeline", self.timeline, "no such timeline", "Give public, local, home, #hashtag or list:ID"
            )

    def check_reach(self) -> None:
        """The server's address."""
        refuse_private_url(self.server, "config.server")

    def poll_url(self, **query: Any) -> str:
        """The address of the timeline's newest posts."""
        if self.timeline.startswith("#"):
            path = f"tag/{quote(self.timeline[1:].strip(), safe='')}"
        elif self.timeline.startswith("list:"):
            path = f"list/{self.timeline.removeprefix('list:')}"
        else:
            path = {"local": "public"}.get(self.timeline, self.timeline)
        more = {"local": "true"} if self.timeline == "local" else {}
        return f"{self.server.rstrip('/')}/api/v1/timelines/{path}?{urlencode({**more, 'limit': _PAGE, **query})}"

    def stream_url(self) -> str:
        """The address at which it is listened to."""
        if self.timeline.startswith("#"):
            path = f"hashtag?{urlencode({'tag': self.timeline[1:].strip()})}"
        elif self.timeline.startswith("list:"):
            path = f"list?{urlencode({'list': self.timeline.removeprefix('list:')})}"
        else:
            path = {"public": "public", "local": "public/local", "home": "user"}[self.timeline]
        return f"{self.server.rstrip('/')}/api/v1/streaming/{path}"

    def headers(self) -> dict[str, str]:
        """What proves who asks."""
        return {"Authorization": f"Bearer {reveal(self.token)}"} if self.token is not None else {}


class MastodonSource(PolledSource):
    """Asks for a timeline."""

    type = "mastodon"
    Config = MastodonConfig

    @classmethod
    def make(cls, config: MastodonConfig, tools: Tools) -> SourceType:
        """This, or what listens."""
        return MastodonStream(config, tools) if config.streaming else cls(config, tools)

    async def poll(self, cursor: Any) -> Poll:
        """Ask for what came since the last post that is known; at first for the newest page alone."""
        config: MastodonConfig = self.config
        since = cursor.get("since_id") if isinstance(cursor, dict) else None
        posts: list[dict[str, Any]] = []
        next_after: float | None = None
        query: dict[str, Any] = {}
        if since is not None and not config.updates:
            query = {"min_id": since}  # what follows it, oldest page first, so that none is missed
        for _ in range(_MOST_PAGES if query else 1):
            answer = await self.tools.http.get(
                config.poll_url(**query), accept="application/json", headers=config.headers()
            )
            next_after = answer.next_after
            page = decode_json(answer)
            if not isinstance(page, list) or not all(isinstance(post, dict) for post in page):
                raise SourceError(f"{answer.url}: the answer is no list of posts")
            posts += page
            newest = max((_key(post) for post in page), default=None)
            if newest is None or len(page) < _PAGE:
                break
            query = {"min_id": newest[1]}
        found = _read(posts, config.event_type)
        known = max([_key(post) for post in posts] + ([(len(since), since)] if since else []), default=None)
        return Poll(
            items=found.items,
            rejected=found.rejected,
            problem=found.problem,
            cursor={"since_id": known[1]} if known is not None and known[1] else None,
            next_after=next_after,
        )


class MastodonStream(StreamingSource):
    """Listens to a timeline. What came while nobody listened is not told again: polling knows no such hole."""

    Config = MastodonConfig
    rereads = False

    async def stream(self, cursor: Any) -> AsyncIterator[Batch]:
        """Listen from now on."""
        config: MastodonConfig = self.config
        async with self.tools.http.stream(
            config.stream_url(), accept="text/event-stream", headers=config.headers(), idle_timeout=_IDLE
        ) as (head, pieces):
            if head.content_type != "text/event-stream":
                raise SourceError(
                    f"{head.url}: the answer is {head.content_type or 'of no declared type'}, not text/event-stream"
                )
            yield Batch(items=[])
            async with aclosing(pieces) as body, aclosing(gathered(_messages(body))) as handfuls:
                async for messages in handfuls:
                    yield _heard(messages, config.event_type)
            raise FetchError(f"{head.url}: the server closed the connection", url=head.url)


async def _messages(pieces: AsyncIterator[bytes]) -> AsyncIterator[Message]:
    parser = SseParser()
    async for piece in pieces:
        for message in parser.feed(piece):
            yield message


def _heard(messages: list[Message], event_type: str) -> Batch:
    items: list[Item] = []
    flaws: list[str] = []
    for message in messages:
        if message.event == "delete":
            post_id = clean_text(message.data, 100)
            if post_id:
                items.append(
                    Item(
                        external_id=clip_id(f"deleted:{post_id}"),
                        event_type=f"{event_type}_deleted",
                        content={"title": f"Post {post_id} was deleted", "id": post_id},
                    )
                )
        elif message.event in ("update", "status.update"):
            try:
                items.append(to_post(msgspec.json.decode(message.data), event_type))
            except (msgspec.DecodeError, RecursionError, ValueError) as flaw:
                flaws.append(clean_text(flaw, 200))
    return Batch(items=items, rejected=len(flaws), problem=f"passed over: {flaws[0]}" if flaws else None)


def _read(posts: list[dict[str, Any]], event_type: str) -> Batch:
    items: dict[str | None, Item] = {}
    flaws: list[str] = []
    for post in sorted(posts, key=_key):
        try:
            item = to_post(post, event_type)
        except ValueError as flaw:
            flaws.append(str(flaw))
            continue
        items[item.external_id] = item
    return Batch(
        items=list(items.values()),
        rejected=len(flaws),
        problem=f"{len(flaws)} of {len(posts)} posts passed over: {flaws[0]}" if flaws else None,
    )


def _key(post: Mapping[str, Any]) -> tuple[int, str]:
    """Ids are decimal numbers of growing length."""
    post_id = post.get("id")
    return (len(post_id), post_id) if isinstance(post_id, str) else (0, "")


def to_post(post: Any, event_type: str) -> Item:
    """A post as an item. Counters (boosts, favourites) are left out: they would make each post change all the time.

    Raises:
        ValueError: it is no post.
    """
    if not isinstance(post, dict) or not isinstance(post.get("id"), str) or not post["id"]:
        raise ValueError("a post without an id")
    boosted = post.get("reblog")
    told = boosted if isinstance(boosted, dict) else post
    text = strip_markup(_text(told, "content"))
    warning = strip_markup(_text(told, "spoiler_text"), 500)
    author = _account(told)
    content: dict[str, Any] = {
        "title": clean_text(warning or text or "(without text)", 200),
        "text": text,
        "warning": warning,
        "author": author,
        "boosted_by": _account(post) if told is not post else "",
        "link": safe_link(told.get("url")) or safe_link(told.get("uri")),
        "language": clean_text(_text(told, "language"), 20),
        "tags": [clean_text(_text(tag, "name"), 100) for tag in _dicts(told, "tags")],
        "media": [link for one in _dicts(told, "media_attachments") if (link := safe_link(one.get("url")))],
    }
    return Item(
        external_id=clip_id(post["id"]),
        event_type=event_type,
        content={name: value for name, value in content.items() if value},
        occurred_at=_time(post.get("created_at")),
        metadata={"edited": edited.isoformat()} if (edited := _time(told.get("edited_at"))) else {},
    )


def _text(mapping: Mapping[str, Any], name: str) -> str:
    value = mapping.get(name)
    return value if isinstance(value, str) else ""


def _dicts(mapping: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    value = mapping.get(name)
    return [one for one in value[:50] if isinstance(one, dict)] if isinstance(value, list) else []


def _account(post: Mapping[str, Any]) -> str:
    account = post.get("account")
    return clean_text(_text(account, "acct"), 200) if isinstance(account, dict) else ""


def _time(value: Any) -> datetime | None:
    try:
        return plausible(parse_time(value))
    except ValueError:
        return None

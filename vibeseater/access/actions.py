"""What each public method of a VibeSeater is: a read or an action, of whom it asks which role, and what it is about.

One table, `RIGHTS`; a test walks the classes and fails where a method is missing. What is not in it can't be reached
by a person's page. It knows names only, and must not know how they are carried out.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["ACTIONS", "HANDED_OUT", "RIGHTS", "ROLES", "About", "Kind", "Right", "Role", "may"]

Role = Literal["viewer", "operator", "admin"]

ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")
"""Each may do what those before it may."""

Kind = Literal["read", "action", "inside"]
"""`read`: changes nothing that others see. `action`: does. `inside`: for the program, never for a person's page."""

About = Literal[
    "nothing",
    "stream",
    "topics",
    "source",
    "event",
    "events",
    "items",
    "bookmark",
    "highlight",
    "rule",
    "pin",
    "made",
    "some",
    "all",
    "feed",
]
"""What a call names, so that it can be told whose it is.

- `nothing`: no stream. `made`: it makes a stream.
- `stream`: `stream` or `stream_id`, or the first argument. `topics`: `what`, which may be several.
- `source`: a source, and with it the streams that it feeds; a stream too, where one is named.
- `event`, `bookmark`, `highlight`, `rule`, `pin`: one, by itself or by its id. `events`, `items`: several.
- `some`: none; what it answers is cut down to what the person sees.
- `all`: all streams at once: for who sees all of them. `feed`: what was handed out by another call.
"""


class Right(NamedTuple):
    """What a call asks for.

    Attributes:
        kind: whether it changes anything.
        role: the least that is asked for.
        about: which stream it is about, and how it names it.
    """

    kind: Kind
    role: Role
    about: About = "stream"


def _reads(about: About, *names: str, role: Role = "viewer") -> dict[str, Right]:
    return {name: Right("read", role, about) for name in names}


def _acts(role: Role, about: About, *names: str) -> dict[str, Right]:
    return {name: Right("action", role, about) for name in names}


def _inside(*names: str) -> dict[str, Right]:
    return {name: Right("inside", "admin", "nothing") for name in names}


RIGHTS: dict[str, Right] = {
    # The VibeSeater itself.
    **_reads("topics", "subscribe", "replay"),
    **_reads("stream", "follow", "pin"),
    **_reads("pin", "read_pin"),
    **_reads("all", "watch_replay"),
    **_acts("operator", "feed", "broadcast_replay"),
    **_reads("nothing", "closed", "settings"),
    **_inside("open", "close", "before_closing", "pool", "redis", "hub", "publisher", "changes", "pins"),
    # Streams and their ingestion.
    **_reads("stream", "streams.get_stream"),
    **_reads("some", "streams.list_streams"),
    **_acts("operator", "made", "streams.create_stream"),
    **_acts("operator", "stream", "streams.update_stream", "streams.set_status"),
    **_acts("admin", "stream", "streams.delete_stream"),
    **_reads("stream", "streaming.status"),
    **_reads("nothing", "streaming.holder"),
    **_acts(
        "operator",
        "stream",
        "streaming.start_stream",
        "streaming.pause_stream",
        "streaming.resume_stream",
        "streaming.stop_stream",
        "streaming.limit_stream",
    ),
    **_acts("operator", "source", "streaming.pause_source", "streaming.resume_source"),
    **_inside("streaming.supervise", "streaming.aclose"),
    # Sources.
    **_reads("source", "sources.get_source"),
    **_reads("some", "sources.list_sources", "sources.stream_ids"),
    **_acts(
        "operator",
        "source",
        "sources.create_source",
        "sources.update_source",
        "sources.delete_source",
        "sources.attach",
        "sources.detach",
        "sources.from_iterable",
    ),
    **_inside("sources.aclose"),
    # Events.
    **_reads("event", "events.get_event"),
    **_reads(
        "stream",
        "events.list_events",
        "events.find_events",
        "events.count_events",
        "events.count_found",
        "events.get_recent_events",
        "events.event_types",
        "events.matching_positions",
        "events.calculate_event_rate",
        "events.get_realtime_statistics",
        "events.count_events_by_bucket",
        "events.count_events_between",
        "events.position_at",
        "events.to_dataframe",
        "events.dataframe_chunks",
        "events.to_arrow",
        "events.rate_dataframe",
    ),
    **_reads("some", "events.list_events_for_source"),
    **_reads("nothing", "events.check_filter", "events.search_words", "events.queued"),
    **_acts("operator", "stream", "events.create_event", "events.from_dataframe"),
    **_acts("operator", "items", "events.create_events_batch"),
    **_inside(
        "events.draft",
        "events.store_draft",
        "events.store_drafts",
        "events.find_stored",
        "events.raw_pages",
        "events.close",
    ),
    # What people note.
    **_reads("stream", "bookmarks.list_bookmarks", "bookmarks.to_dataframe", "bookmarks.watch"),
    **_reads("bookmark", "bookmarks.get_bookmark"),
    **_acts("operator", "stream", "bookmarks.create_bookmark"),
    **_acts("operator", "bookmark", "bookmarks.update_bookmark", "bookmarks.delete_bookmark"),
    **_reads("stream", "highlights.list_highlights", "highlights.watch"),
    **_reads("events", "highlights.colours"),
    **_acts("operator", "stream", "highlights.create_highlight"),
    **_acts("operator", "highlight", "highlights.delete_highlight"),
    # Alerts.
    **_reads("stream", "alerts.list_rules", "alerts.list_alerts", "alerts.watch", "alerts.watch_rules"),
    **_reads("stream", "alerts.draft_rule"),
    **_reads("rule", "alerts.get_rule", "alerts.try_on_history"),
    **_reads("nothing", "alerts.evaluated_here"),
    **_acts("operator", "stream", "alerts.create_rule"),
    **_acts("operator", "rule", "alerts.update_rule", "alerts.silence_rule", "alerts.delete_rule"),
    **_inside("alerts.supervise", "alerts.aclose"),
    # What is kept.
    **_reads("stream", "archive.files", "archive.verify"),
    **_reads("some", "archive.retention.list"),
    **_acts("operator", "stream", "archive.write", "archive.retention.set", "archive.retention.remove"),
    **_acts("operator", "all", "archive.apply_rules"),
    **_acts("admin", "stream", "archive.purge"),
    **_acts("admin", "all", "archive.moved"),
    **_inside("archive.supervise", "archive.aclose", "archive.reader"),
    # Who did what.
    **_reads("all", "audit.list_records", role="admin"),
    **_acts("admin", "all", "audit.prune"),
    # How the servers fare. Not the VibeSeater's, but asked for by the same pages.
    **_reads("all", "operations.overview", role="operator"),
    **_reads("all", "operations.log", role="admin"),
}
"""By the name that follows `seater.`: what it is, the least role, and what it is about."""

ACTIONS: frozenset[str] = frozenset(name for name, right in RIGHTS.items() if right.kind == "action")
"""What changes something: this is what is worth a record."""

_FEED = ("aclose", "batches", "clock", "past", "start", "state", "stats")
_HEARS = ("counted", "hub_closed", "receive")  # called by the hub

HANDED_OUT: dict[str, tuple[str, ...]] = {
    "LiveFeed": (*_FEED, *_HEARS, "all_is_read", "oldest_waiting"),
    "BroadcastFeed": (*_FEED, *_HEARS),
    "ReplayFeed": (
        *_FEED,
        "broadcast_topic",
        "can_go_live",
        "catch_up",
        "live",
        "live_from",
        "moved",
        "next_time",
        "pause",
        "play",
        "positions",
        "resumed",
        "rewind",
        "seek",
        "speed",
        "step",
        "topics",
    ),
    "Following": ("feed", "frame", "position"),
    "Watch": ("aclose", "end", "hint"),
    "Running": ("cancel", "done"),
}
"""What calls hand out, and its methods. They change only what was handed out, so whoever was given it may call them."""


def may(role: Role, name: str) -> bool:
    """Whether a role is enough for a call, whatever it is about. What is not in the table is for nobody.

    Args:
        name: a key of `RIGHTS`.
    """
    right = RIGHTS.get(name)
    return right is not None and right.kind != "inside" and ROLES.index(role) >= ROLES.index(right.role)

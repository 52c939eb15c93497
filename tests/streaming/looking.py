"""Short ways to look at how a stream's sources fare."""

from __future__ import annotations

from tests.servers import eventually
from vibeseater import VibeSeater
from vibeseater.models import Event, Stream
from vibeseater.streaming import SourceStatus


async def sources(seater: VibeSeater, stream: Stream) -> dict[str, SourceStatus]:
    """The stream's sources by their names."""
    return {source.name: source for source in (await seater.streaming.status(stream)).sources}


async def reaches(seater: VibeSeater, stream: Stream, name: str, state: str, **more: int) -> SourceStatus:
    """Awaits that a source is in a state, and its figures are at least these; returns it."""

    async def there() -> SourceStatus | None:
        found = (await sources(seater, stream))[name]
        enough = all(getattr(found, field) >= least for field, least in more.items())
        return found if found.state == state and enough else None

    found: SourceStatus = await eventually(there, message=f"{name} is {state} {more or ''}")
    return found


async def polls_again(seater: VibeSeater, stream: Stream, name: str, times: int = 1) -> None:
    """Awaits that a source was read that many times more."""
    before = (await sources(seater, stream))[name].polls

    async def more() -> bool:
        return (await sources(seater, stream))[name].polls >= before + times

    await eventually(more, message=f"{name} is polled")


async def stored(seater: VibeSeater, stream: Stream) -> list[Event]:
    """All the stream's events by position."""
    return await seater.events.list_events(stream, limit=10_000, order="oldest")

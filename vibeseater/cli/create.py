"""`vibeseater create`: one event, by hand or from a script."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import click

from vibeseater.cli.arguments import json_object, moment, the_source, the_stream
from vibeseater.cli.output import json_line, line
from vibeseater.cli.session import run_connected
from vibeseater.errors import NotFoundError
from vibeseater.inputs import draft_event

if TYPE_CHECKING:
    from vibeseater.seater import VibeSeater

__all__ = ["create"]


@click.command()
@click.argument("stream")
@click.option("--type", "event_type", required=True, help="What kind of event it is, such as goal.")
@click.option("--content", required=True, metavar="JSON", help="What happened, a JSON object; - reads it from stdin.")
@click.option("--source", help="The id or the name of one of the stream's sources.")
@click.option("--external-id", help="The source's own id: an event with it is stored once, however often it comes.")
@click.option("--occurred-at", metavar="ISO", help="When it happened, such as 2026-11-24T06:00:00Z; else now.")
@click.option("--metadata", metavar="JSON", help="A JSON object about the event rather than of it.")
@click.option("--create", "make", is_flag=True, help="Make the stream and the source when they are missing.")
@click.option("--json", "as_json", is_flag=True, help="Print the event as JSON, not only its id.")
def create(
    stream: str,
    event_type: str,
    content: str,
    source: str | None,
    external_id: str | None,
    occurred_at: str | None,
    metadata: str | None,
    make: bool,
    as_json: bool,
) -> None:
    """Create one event in STREAM, an id or a slug, and print its id. It is on disk when the command returns."""
    happened = moment("occurred-at", occurred_at)
    said = json_object("content", content)
    about = None if metadata is None else json_object("metadata", metadata)

    async def work(seater: VibeSeater) -> None:
        # Looked at before anything is made, so that a bad event leaves no stream behind.
        draft_event(
            {
                "stream_id": UUID(int=0),
                "event_type": event_type,
                "content": said,
                "external_id": external_id,
                "metadata": about,
            },
            max_bytes=seater.settings.max_content_bytes,
        )
        try:
            into = await the_stream(seater, stream, create=make)
        except NotFoundError as error:
            cure = "Add --create to make it, or see `vibeseater streams`"
            raise NotFoundError(error.field, error.value, error.problem, cure) from None
        origin = None if source is None else await the_source(seater, into, source, create=make)
        event = await seater.events.create_event(
            stream_id=into.id,
            source_id=None if origin is None else origin.id,
            event_type=event_type,
            content=said,
            occurred_at=happened,
            external_id=external_id,
            metadata=about,
        )
        if as_json:
            json_line(event)
        else:
            line(str(event.id))

    run_connected(work)

"""The endpoint's description in OpenAPI 3.1, served at `/ingest/openapi.json`; a test proves that it is true."""

from __future__ import annotations

from functools import cache
from typing import Any

from vibeseater._version import __version__
from vibeseater.sources.types.webhook import MOST_EVENTS

__all__ = ["description"]

_RETRY = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}}


@cache
def description() -> dict[str, Any]:
    """The document."""
    event = {"$ref": "#/components/schemas/Event"}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "VibeSeater: ingest",
            "version": __version__,
            "description": "Send events into a stream. The answer comes once they are on disk.",
        },
        "paths": {
            "/ingest/{source_id}": {
                "post": {
                    "operationId": "ingest",
                    "summary": "Send one event, or many as a whole.",
                    "description": (
                        "A body is one event (an object), a list of events, or an object whose only field is `events`, "
                        f"a list of objects; at most {MOST_EVENTS} at once. All of it is stored, or nothing. "
                        "A webhook may name another place of the list, and fields that an event must have."
                    ),
                    "security": [{"signature": []}, {"githubSignature": []}, {"bearer": []}],
                    "parameters": [
                        {
                            "name": "source_id",
                            "in": "path",
                            "required": True,
                            "description": "The id of a source of type `webhook`.",
                            "schema": {"type": "string", "format": "uuid"},
                        },
                        {
                            "name": "Idempotency-Key",
                            "in": "header",
                            "required": False,
                            "description": "A name of this delivery: sent again, it is stored once.",
                            "schema": {"type": "string"},
                        },
                    ],
                    "requestBody": {
                        "required": True,
                        "content": {
                            "application/json": {
                                "schema": {"anyOf": [event, {"type": "array", "items": event, "maxItems": MOST_EVENTS}]}
                            }
                        },
                    },
                    "responses": {
                        "200": _stored("Nothing is new: it was stored before, or a limit left it out."),
                        "201": _stored("Stored."),
                        "400": _problem("The body is not JSON, or the request is malformed."),
                        "401": _problem(
                            "The signature or token is missing or wrong.",
                            {"WWW-Authenticate": {"schema": {"type": "string"}}},
                        ),
                        "404": _problem("There is no such webhook."),
                        "405": _problem("Only POST is known.", {"Allow": {"schema": {"type": "string"}}}),
                        "408": _problem("The body did not arrive in time."),
                        "409": _problem(
                            "The stream, or this webhook, is paused (then with Retry-After) or not live. Nothing was "
                            "stored; send it again later."
                        ),
                        "413": _problem("The body is too large."),
                        "415": _problem("The body is not declared as JSON, or it is compressed."),
                        "422": _problem("An event does not fit; nothing was stored."),
                        "429": _problem("Too many events per second, for the webhook or for its stream.", _RETRY),
                        "503": _problem("The events can't be stored now. Nothing was stored, or it is not known."),
                    },
                }
            }
        },
        "components": {
            "securitySchemes": {
                "signature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Signature-256",
                    "description": "`sha256=` and the hex HMAC-SHA256 of the body.",
                },
                "githubSignature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Hub-Signature-256",
                    "description": "The same, under GitHub's name.",
                },
                "bearer": {"type": "http", "scheme": "bearer"},
            },
            "schemas": {
                "Event": {"type": "object", "description": "What happened: any JSON object."},
                "Stored": {
                    "type": "object",
                    "required": ["created", "events"],
                    "properties": {
                        "created": {"type": "integer", "minimum": 0, "description": "How many events are new."},
                        "dropped": {
                            "type": "integer",
                            "minimum": 1,
                            "description": "How many events a limit of the stream left out, where it did.",
                        },
                        "events": {
                            "type": "array",
                            "description": "What was stored, in the order sent; for each stream of the source.",
                            "items": {
                                "type": "object",
                                "required": ["id", "stream_id", "stream_seq"],
                                "properties": {
                                    "id": {"type": "string", "format": "uuid"},
                                    "stream_id": {"type": "string", "format": "uuid"},
                                    "stream_seq": {"type": "integer", "minimum": 1},
                                },
                            },
                        },
                    },
                },
                "Problem": {
                    "type": "object",
                    "description": "Problem details (RFC 9457).",
                    "required": ["type", "title", "status", "detail"],
                    "properties": {
                        "type": {"type": "string"},
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "detail": {"type": "string"},
                    },
                },
            },
        },
    }


def _stored(text: str) -> dict[str, Any]:
    return {
        "description": text,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Stored"}}},
    }


def _problem(text: str, headers: dict[str, Any] | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {
        "description": text,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if headers:
        made["headers"] = headers
    return made

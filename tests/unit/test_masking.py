"""What is secret is not shown, whatever it is called; what is none is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from vibeseater.masking import masked
from vibeseater.models import Source


@pytest.mark.parametrize(
    "config",
    [
        {"token": "s3cret"},
        {"password": "s3cret"},
        {"headers": {"X-Anything": "s3cret", "Authorization": "Bearer s3cret"}},
        {"url": "https://user:s3cret@a.example/?page=1"},
        {"url": "https://a.example/?page=1&api_key=s3cret&x=2#end"},
        {"url": "redis://:s3cret@a.example/0"},
        {"subscribe": [{"type": "login", "api_key": "s3cret"}]},
        {"clientSecret": ["s3cret"]},
    ],
)
def test_secrets_are_not_shown(config: dict[str, Any]) -> None:
    """Neither in the mapping, nor where a source shows itself."""
    assert "s3cret" not in str(masked(config))
    assert "***" in str(masked(config))
    now = datetime.now(UTC)
    source = Source(id=UUID(int=1), type="json", name="n", config=config, created_at=now, updated_at=now)
    assert "s3cret" not in repr(source) + str(source) + source._repr_html_()
    assert repr(source).startswith("Source(id=UUID(")
    assert source.config == config


def test_what_is_no_secret_is_shown() -> None:
    """References, pointers, numbers, addresses."""
    config = {
        "url": "https://a.example/feed?page=2", "token": "env:MY_TOKEN", "auth": "bearer", "interval": 60.0,
        "headers": {"Authorization": "Bearer env:MY_TOKEN"}, "id": "/key", "skip": {"/kind": None}, "follow": True,
        "secret": "sha256:" + "0" * 64,
    }  # fmt: skip
    assert masked(config) == config

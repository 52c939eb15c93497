"""The tree of errors: one root, a cure in every message, and nothing that a hostile value could do."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibeseater import errors
from vibeseater.errors import FetchError, InputError, NotFoundError, VibeSeaterError

ALL = [getattr(errors, name) for name in errors.__all__]


def test_every_error_is_a_vibeseater_error() -> None:
    """Whoever catches the root catches all of them; `__all__` names exactly these."""
    defined = [item for _, item in inspect.getmembers(errors, inspect.isclass) if item.__module__ == errors.__name__]
    assert {item.__name__ for item in defined} == set(errors.__all__)
    assert errors.__all__ == sorted(errors.__all__)
    assert all(issubclass(item, VibeSeaterError) for item in defined)


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)
def test_the_tree_in_the_docstring_is_the_tree(error: type[VibeSeaterError]) -> None:
    """The drawing at the module's head names each error, under the one it is a kind of."""
    assert errors.__doc__
    line = next(line for line in errors.__doc__.splitlines() if re.search(rf"\b{error.__name__}\b(?!`)", line))
    above = errors.__doc__[: errors.__doc__.index(line)].splitlines()
    if error is VibeSeaterError:
        return
    depth = re.search(r"\w", line).start()  # type: ignore[union-attr]
    parent = next(item for item in reversed(above) if (found := re.search(r"\w", item)) and found.start() < depth)
    assert error.__mro__[1].__name__ in parent
    for builtin in re.findall(r"\((\w+)\)", line):
        assert issubclass(error, getattr(__import__("builtins"), builtin))
    assert error.__doc__


def test_bad_input_is_also_a_value_error() -> None:
    """Code that catches Python's own errors goes on working."""
    assert issubclass(InputError, ValueError)
    assert issubclass(NotFoundError, LookupError | ValueError)
    assert issubclass(errors.ClosedError, RuntimeError)


def test_an_input_error_names_field_value_problem_and_cure() -> None:
    """All four can be read by people and by programs."""
    error = InputError("limit", 0, "not a number of rows", "Give an int from 1 to 10")
    assert str(error) == "limit=0: not a number of rows. Give an int from 1 to 10"
    assert (error.field, error.value, error.problem, error.cure) == (
        "limit", 0, "not a number of rows", "Give an int from 1 to 10",
    )  # fmt: skip


@pytest.mark.parametrize(
    "error", [InputError("a", [1], "b", "c"), NotFoundError("a", "x", "b", "c"), errors.ClosedError("d")]
)
def test_errors_travel_between_processes(error: VibeSeaterError) -> None:
    """An error raised in a worker process arrives as itself."""
    arrived = pickle.loads(pickle.dumps(error))
    assert (type(arrived), str(arrived), vars(arrived)) == (type(error), str(error), vars(error))


def test_a_fetch_error_keeps_what_the_server_said() -> None:
    """Whoever handles it can wait as long as was asked."""
    error = FetchError("Too many requests", url="https://x", status=429, retry_after=30.0)
    assert (error.url, error.status, error.retry_after) == ("https://x", 429, 30.0)


class _Hostile:
    def __repr__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize("value", [_Hostile(), "x" * 1_000_000, [10**5000], {"a": [_Hostile()]}, "a\nb\x1b[31m\u202e"])
def test_any_value_can_be_repeated(value: object) -> None:
    """A value that is huge, raises, or holds control characters makes one short, harmless line."""
    message = str(InputError("content", value, "wrong", "Mend it"))
    assert len(message) < 150
    assert message.isprintable()


@given(st.recursive(st.text() | st.integers() | st.binary(), st.lists, max_leaves=30))
def test_a_message_is_one_line(value: object) -> None:
    """No value breaks a message into lines, or makes it long."""
    message = str(InputError("content", value, "wrong", "Mend it"))
    assert "\n" not in message
    assert len(message) < 150

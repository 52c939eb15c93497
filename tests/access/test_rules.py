"""The file of rules: who has which role, who sees what, and what is told where it does not fit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid4

import pytest

from vibeseater.access.rules import NOBODY, Access, Person, Rules, read_rules
from vibeseater.errors import SettingsError

FILE = """
default = "viewer"

[users]
ada = "admin"
"Bob@Example.org" = "operator"
"@desk" = "operator"
mallory = "none"

[groups]
desk = ["eve", "mallory", "zoe@example.org"]

[[streams]]
stream = "open [*"
seen_by = ["*"]

[[streams]]
stream = "*secret*"
seen_by = ["bob@example.org", "@desk"]
"""


class Stream(NamedTuple):
    slug: str
    title: str
    id: UUID = uuid4()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "access.toml"
    found.write_text(FILE)
    return found


@pytest.mark.parametrize(
    ("person", "role"),
    [
        (Person("ada"), "admin"),
        (Person("Ada"), "viewer"),  # of plain names, case is part
        (Person("github-17", "bob@example.ORG"), "operator"),
        (Person("bob@example.org"), "operator"),
        (Person("eve"), "operator"),
        (Person("z", "Zoe@Example.org"), "operator"),
        (Person("mallory"), None),  # the name itself goes before the group
        (Person("@desk"), "viewer"),  # who is called like a group is not in it
        (Person("somebody"), "viewer"),
        (NOBODY, "viewer"),
    ],
)
def test_who_has_which_role(path: Path, person: Person, role: str | None) -> None:
    assert read_rules(path).role_of(person) == role


@pytest.mark.parametrize(
    ("person", "secret", "everything"),
    [
        (Person("ada"), True, True),
        (Person("eve"), True, True),
        (Person("x", "bob@example.org"), True, True),
        (Person("somebody"), False, False),
        (Person("mallory"), False, False),
        (NOBODY, False, False),
    ],
)
def test_who_sees_which_streams(path: Path, person: Person, secret: bool, everything: bool) -> None:
    rules = read_rules(path)
    for hidden in (Stream("talks", "Top SECRET talks"), Stream("secret", "Talks"), Stream("x", "new\nsecret\nline")):
        assert rules.sees(person, hidden) is secret
    assert rules.sees_all(person) is everything
    # The first that fits decides, and brackets are brackets.
    assert rules.sees(person, Stream("x", "Open [secret]")) is (person.name != "mallory")
    assert rules.sees(person, Stream("y", "Weather")) is (person.name != "mallory")


def test_a_stream_is_named_by_its_id(path: Path) -> None:
    stream = Stream("x", "Talks")
    path.write_text(f'default = "viewer"\n[[streams]]\nstream = "{stream.id}"\nseen_by = []\n')
    rules = read_rules(path)
    assert not rules.sees(NOBODY, stream)
    assert rules.sees(NOBODY, stream._replace(id=uuid4()))


def test_who_is_not_named_has_no_role_unless_it_is_said() -> None:
    assert Rules(users={"ada": "viewer"}).role_of(Person("bob")) is None


def test_without_a_file_everybody_is_an_admin() -> None:
    rules = Access(None).rules
    assert rules.role_of(NOBODY) == "admin"
    assert rules.sees_all(NOBODY)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("defualt = 1", "defualt"),
        ('default = "boss"', r"default = 'boss': no role. Give viewer, operator, admin or none"),
        ('[users]\nada = "root"', "users.ada = 'root': no role"),
        ("[users]\nada = 1", "ada|users"),
        ('[users]\n"@desk" = "viewer"', "'@desk': no such group"),
        ('[[streams]]\nstream = "x"', "seen_by"),
        ('[[streams]]\nstream = " "\nseen_by = []', "empty"),
        ('[[streams]]\nstream = "x"\nseen_by = ["@a"]', r"streams\[0\].seen_by = '@a': no such group"),
        ('[[streams]]\nstream = "x"\nseen_by = "ada"', "seen_by"),
        ("not toml", "not valid TOML"),
    ],
)
def test_what_does_not_fit_is_told(path: Path, text: str, told: str) -> None:
    path.write_text(text)
    with pytest.raises(SettingsError, match=told) as refused:
        read_rules(path)
    assert str(path) in str(refused.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="can't be read"):
        Access(tmp_path / "nowhere.toml")


def test_a_changed_file_is_read_again_and_a_spoilt_one_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vibeseater.access.rules._LOOK", 0.0)
    access = Access(path)
    assert access.rules.role_of(Person("somebody")) == "viewer"
    path.write_text('default = "operator"')
    assert access.rules.role_of(Person("somebody")) == "operator"
    for spoilt in ('default = "emperor"', "]"):
        path.write_text(spoilt)
        assert access.rules.role_of(Person("somebody")) == "operator"
    os.unlink(path)
    assert access.rules.role_of(Person("somebody")) == "operator"
    path.write_text('default = "none"')
    assert access.rules.role_of(Person("somebody")) is None

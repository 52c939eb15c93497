"""Settings: arguments over environment over file, and an error that says which of them is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from vibeseater.errors import SettingsError
from vibeseater.settings import Settings, load_settings, show_settings, without_secrets


def load(tmp_path: Path, toml: str = "", **environ: str) -> Settings:
    """Settings from a file in a home of its own, and an environment of its own."""
    (tmp_path / "vibeseater.toml").write_text(toml, encoding="utf-8")
    return load_settings(environ={"VIBESEATER_HOME": str(tmp_path)} | environ)


def test_without_anything_the_embedded_servers_are_used(tmp_path: Path) -> None:
    """No URL is set by default, so that `connect()` starts servers of its own."""
    settings = load_settings(environ={"VIBESEATER_HOME": str(tmp_path)})
    assert (settings.database_url, settings.redis_url) == (None, None)
    assert settings.max_content_bytes == 256 * 1024
    assert settings.home == tmp_path


def test_arguments_go_before_environment_before_file(tmp_path: Path) -> None:
    """Each setting is taken from the nearest place that names it."""
    toml = 'database_url = "postgresql://file/x"\nredis_url = "redis://file"\npool_size = 5\nconnect_timeout = 2.5'
    (tmp_path / "vibeseater.toml").write_text(toml)
    environ = {
        "VIBESEATER_HOME": str(tmp_path),
        "VIBESEATER_DATABASE_URL": "postgresql://env/x",
        "VIBESEATER_REDIS_URL": "redis://env",
        "VIBESEATER_POOL_SIZE": "7",
    }
    settings = load_settings(database_url="postgresql://argument/x", environ=environ)
    assert settings.database_url == "postgresql://argument/x"
    assert settings.redis_url == "redis://env"
    assert settings.pool_size == 7
    assert settings.connect_timeout == 2.5


def test_an_empty_variable_is_as_if_unset(tmp_path: Path) -> None:
    """`VIBESEATER_DATABASE_URL=` in a shell means: none."""
    assert load(tmp_path, VIBESEATER_DATABASE_URL="").database_url is None


@pytest.mark.parametrize(
    ("text", "value"), [("1", True), ("true", True), ("Yes", True), ("on", True), ("0", False), ("no", False)]
)
def test_yes_and_no_are_understood(tmp_path: Path, text: str, value: bool) -> None:
    """Switches may be written as people write them."""
    assert load(tmp_path, VIBESEATER_ALLOW_PRIVATE_URLS=text).allow_private_urls is value


def test_a_file_may_be_named(tmp_path: Path) -> None:
    """`VIBESEATER_CONFIG` names another file, and it must be there."""
    other = tmp_path / "other.toml"
    other.write_text("pool_size = 4")
    assert load(tmp_path, "pool_size = 9", VIBESEATER_CONFIG=str(other)).pool_size == 4
    with pytest.raises(SettingsError, match=r"VIBESEATER_CONFIG='/nowhere/x\.toml': no such file"):
        load(tmp_path, VIBESEATER_CONFIG="/nowhere/x.toml")


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    """Settings are frozen: what is connected with stays what it was."""
    with pytest.raises(AttributeError):
        load(tmp_path).pool_size = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("toml", "environ", "message"),
    [
        ("colour = 1", {}, "unknown setting 'colour'"),
        ("pool_size = 'many'", {}, "pool_size in "),
        ("pool_size = [", {}, "not valid TOML"),
        ("database_url = 5", {}, "database_url in "),
        ("redis_url = ['redis://x']", {}, "redis_url in "),
        ("", {"VIBESEATER_POOL_SIZE": "many"}, "VIBESEATER_POOL_SIZE = 'many'"),
        ("", {"VIBESEATER_POOL_SIZE": "abc"}, "Give a whole number"),
        ("", {"VIBESEATER_POOL_SIZE": "2"}, "too small. Give at least 3"),
        ("", {"VIBESEATER_CONNECT_TIMEOUT": "nan"}, "too small. Give at least 0.1"),
        ("", {"VIBESEATER_CONNECT_TIMEOUT": "-1"}, "too small. Give at least 0.1"),
        ("", {"VIBESEATER_MAX_CONTENT_BYTES": "1"}, "too small. Give at least 2"),
        ("", {"VIBESEATER_ALLOW_PRIVATE_URLS": "maybe"}, "VIBESEATER_ALLOW_PRIVATE_URLS = 'maybe'"),
        ("", {"VIBESEATER_DATABASE_URL": "mysql://x"}, "begins with postgresql:// or postgres://"),
        ("", {"VIBESEATER_DATABASE_URL": "postgresql://h:port/x"}, "malformed URL"),
        ("", {"VIBESEATER_REDIS_URL": "localhost:6379"}, "begins with redis://"),
        ("", {"VIBESEATER_REDIS_URL": "redis:6379"}, "begins with redis://"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(tmp_path: Path, toml: str, environ: dict[str, str], message: str) -> None:
    """The error tells where the wrong value stands, and what is wrong with it."""
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, toml, **environ)
    assert message in str(caught.value)


def test_a_home_that_is_no_folder_is_told_with_its_cure(tmp_path: Path) -> None:
    """`VIBESEATER_HOME` is what has to be mended."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"can't be read .* Set VIBESEATER_HOME to a folder of your own"):
        load_settings(environ={"VIBESEATER_HOME": str(tmp_path / "file")})


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    """A file in another encoding, or a folder in its place, is an error and not a crash."""
    (tmp_path / "vibeseater.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="not valid TOML"):
        load_settings(environ={"VIBESEATER_HOME": str(tmp_path)})
    with pytest.raises(SettingsError, match="can't be read"):
        load_settings(environ={"VIBESEATER_CONFIG": str(tmp_path)})


@pytest.mark.parametrize("value", [5, b"postgresql://x", "", "http://x"])
def test_an_argument_that_is_no_url_is_told(tmp_path: Path, value: object) -> None:
    """`connect(database_url=…)` with anything but a URL is refused at once."""
    with pytest.raises(SettingsError, match=r"connect\(database_url=…\)"):
        load_settings(database_url=value, environ={"VIBESEATER_HOME": str(tmp_path)})  # type: ignore[arg-type]


def test_passwords_are_never_repeated(tmp_path: Path) -> None:
    """Neither a shown URL nor an error about one holds its password."""
    assert without_secrets("postgresql://me:s3cret@host/x") == "postgresql://me:***@host/x"
    assert without_secrets("redis://:s3cret@host:6379/0") == "redis://:***@host:6379/0"
    assert without_secrets("redis://host:6379/0") == "redis://host:6379/0"
    assert without_secrets("redis://[s3cret") == "***"
    assert (
        without_secrets("postgresql://h/x?user=u&password=s3cret&port=5")
        == "postgresql://h/x?user=u&password=***&port=5"
    )
    assert without_secrets("postgresql://u:a@h/x?sslpassword=s3cret") == "postgresql://u:***@h/x?sslpassword=***"
    for url in ("mysql://me:s3cret@host/x", "postgresql://me:s3cret@host:port/x", "postgresql://me:s3cret@[host/x"):
        with pytest.raises(SettingsError) as caught:
            load(tmp_path, VIBESEATER_DATABASE_URL=url)
        assert "s3cret" not in str(caught.value)
    environ = {
        "VIBESEATER_HOME": str(tmp_path),
        "VIBESEATER_COOKIE_SECRET": "s3cret",
        "VIBESEATER_METRICS_TOKEN": "s3cret",
    }
    assert "s3cret" not in str(show_settings(environ))

"""What `deploy/` and its guides say is what there is: commands, options, variables, ports and users."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from panel import config

from vibeseater.access.rules import Person, read_rules
from vibeseater.cli.app import app
from vibeseater.login import login_of
from vibeseater.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
GUIDES = [ROOT / "docs" / name for name in ("deploy.md", "backup.md", "timescaledb.md")]
_GENERIC = {"PANEL_OAUTH_AUTHORIZE_URL", "PANEL_OAUTH_TOKEN_URL", "PANEL_OAUTH_USER_URL"}  # no part of its settings
VARIABLES = {f"VIBESEATER_{field.upper()}" for field in Settings.__struct_fields__} | {"VIBESEATER_CONFIG"}


def manifests() -> Iterator[dict[str, Any]]:
    """All objects of the Kubernetes manifests."""
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")):
        yield from (one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one)


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """The pods that they make, by name."""
    for one in manifests():
        spec = one.get("spec", {})
        template = spec.get("template") or spec.get("jobTemplate", {}).get("spec", {}).get("template")
        if template is not None:
            yield one["metadata"]["name"], template["spec"]


def command_lines() -> Iterator[tuple[str, list[str]]]:
    """Every command line of VibeSeater's in `deploy/` and in the guides, with where it stands."""
    yield "Dockerfile", yaml.safe_load(re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)[0])
    for name, service in COMPOSE["services"].items():
        if service.get("image", "").startswith("vibeseater"):
            yield f"compose.yaml {name}", service["command"]
    for name, pod in pods():
        for container in pod["containers"]:
            if container["image"] == "vibeseater":
                yield f"kubernetes {name}", container["args"]
    for path in sorted((DEPLOY / "systemd").glob("*.service")):
        for line in re.findall(r"^ExecStart=\S*/vibeseater (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE):
            yield path.name, shlex.split(line)
    for path in GUIDES:
        for block in re.findall(r"```console\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
            for line in re.findall(r"^\$ (?:\S*/)?vibeseater ([^#\n]*)", block, re.MULTILINE):
                yield path.name, shlex.split(line.split(" | ")[0].split(" > ")[0])


@pytest.mark.parametrize(
    ("where", "arguments"), [*command_lines()], ids=lambda value: value if type(value) is str else ""
)
def test_every_command_line_is_understood(where: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """By the very command that it calls: an option that does not exist, or a value that does not fit, fails here."""
    monkeypatch.setenv("VIBESEATER_DATABASE_URL", "")  # options set them
    monkeypatch.setenv("VIBESEATER_REDIS_URL", "")
    context = click.Context(app)
    command: click.Command | None = app
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        command = command.get_command(context, arguments[0])
        assert command is not None, f"{where}: no command {arguments[0]}"
        context = click.Context(command, parent=context)
        arguments = arguments[1:]
    assert command is not None
    command.make_context(where, [*arguments])


def test_there_are_command_lines_everywhere() -> None:
    """The patterns above still find them."""
    places = {where.split(" ")[0] for where, _ in command_lines()}
    assert {"Dockerfile", "compose.yaml", "kubernetes", "vibeseater-server.service"} <= places
    assert {"backup.md", "timescaledb.md"} <= places


def test_every_variable_exists() -> None:
    """A name that VibeSeater does not read would be believed, and have no effect."""
    files = [path for path in DEPLOY.rglob("*") if path.is_file()] + GUIDES
    named = {name for path in files for name in re.findall(r"VIBESEATER_[A-Z_]+", path.read_text(encoding="utf-8"))}
    assert {"VIBESEATER_DATABASE_URL", "VIBESEATER_REDIS_URL", "VIBESEATER_HOME"} <= named
    assert named - {name for name in named if name.startswith("VIBESEATER_TEST_")} <= VARIABLES


def test_nothing_runs_as_root() -> None:
    """Image, pods and units: each has a user of its own, who may not become another one."""
    uid = int(re.findall(r"^USER (\d+)$", DOCKERFILE, re.MULTILINE)[0])
    assert f"--uid {uid}" in DOCKERFILE
    for name, pod in pods():
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        own = any(container["image"] == "vibeseater" for container in pod["containers"])
        assert pod["securityContext"]["runAsUser"] == (uid if own else pod["securityContext"]["runAsUser"]), name
        for container in pod["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False, name
    for path in (DEPLOY / "systemd").glob("*.service"):
        text = path.read_text(encoding="utf-8")
        assert "\nUser=vibeseater\n" in text, path.name
        assert "\nNoNewPrivileges=yes\n" in text, path.name


def test_ports_and_probes_agree() -> None:
    """What is exposed, mapped and asked is what `serve` listens on, at addresses that it has."""
    port = re.findall(r"^EXPOSE (\d+)$", DOCKERFILE, re.MULTILINE)[0]
    assert f"http://127.0.0.1:{port}/healthz" in DOCKERFILE
    for where, arguments in command_lines():
        if arguments[0] == "serve" and not where.endswith(".md"):
            assert arguments[arguments.index("--port") + 1] == port, where
    assert COMPOSE["services"]["server"]["ports"] == [f"127.0.0.1:{port}:{port}"]
    server = dict(pods())["vibeseater-server"]["containers"][0]
    assert server["ports"][0]["containerPort"] == int(port)
    assert server["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert server["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_databases_and_secrets_agree() -> None:
    """Compose and Kubernetes run the same servers, and every secret that a pod reads has its example."""
    images = {service["image"] for service in COMPOSE["services"].values()} - {"vibeseater:latest"}
    used = {container["image"] for _, pod in pods() for container in pod["containers"]} - {"vibeseater"}
    assert used == images
    example = next(one for one in manifests() if one["kind"] == "Secret")
    wanted = {
        one["valueFrom"]["secretKeyRef"]["key"]
        for _, pod in pods()
        for container in pod["containers"]
        for one in container.get("env", [])
        if "valueFrom" in one
    } | {
        item["key"]
        for _, pod in pods()
        for one in pod.get("volumes", [])
        for item in one.get("secret", {}).get("items", [])
    }
    assert wanted == set(example["stringData"])
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    asked = set(re.findall(r"\$\{([A-Z_]+)", text))
    given = set(re.findall(r"^([A-Z_]+)=", (DEPLOY / "example.env").read_text(encoding="utf-8"), re.MULTILINE))
    assert asked == given


def test_who_serves_asks_for_a_login() -> None:
    """Wherever it is deployed: with a secret for its cookies, files that are there, and the real addresses of visitors.
    And each variable that is passed on is one that VibeSeater, or Panel, reads; no secret stands in the files."""
    server = dict(pods())["vibeseater-server"]
    container = server["containers"][0]
    given = {one["name"]: one for one in container["env"]}
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    shown = {
        f"{mounts[one['name']]}/{item['path']}"
        for one in server["volumes"]
        for item in one.get("secret", {}).get("items", [])
    }
    assert given["VIBESEATER_BASIC_AUTH"]["value"] in shown
    compose = COMPOSE["services"]["server"]
    for name, value in {**{name: "valueFrom" in one for name, one in given.items()}, **compose["environment"]}.items():
        if re.search("SECRET|TOKEN$|URL$|KEY$", name):
            assert value is True or "${" in value, name
    assert given["VIBESEATER_ACCESS"]["value"] in shown
    paths = [compose["environment"][name] for name in ("VIBESEATER_BASIC_AUTH", "VIBESEATER_ACCESS")]
    assert paths == ["${BASIC_AUTH-/run/secrets/passwords.json}", "/run/secrets/access.toml"]
    assert compose["secrets"] == ["passwords.json", "access.toml"]
    assert set(compose["secrets"]) == set(COMPOSE["secrets"])
    unit = (DEPLOY / "systemd" / "vibeseater-server.service").read_text(encoding="utf-8")
    assert "\nEnvironmentFile=/etc/vibeseater/server.env\n" in unit
    names = set(
        re.findall(r"^#?(\w+)=", (DEPLOY / "systemd" / "server.example.env").read_text(encoding="utf-8"), re.MULTILINE)
    )
    for wanted in (set(given), set(compose["environment"]), names):
        secrets = {"VIBESEATER_COOKIE_SECRET", "VIBESEATER_METRICS_TOKEN"}
        assert {"VIBESEATER_BASIC_AUTH", "VIBESEATER_ACCESS", *secrets} <= wanted
        panels = {name for name in wanted if name.startswith("PANEL_")}
        assert all(hasattr(config, name.removeprefix("PANEL_").lower()) or name in _GENERIC for name in panels)
    for where, arguments in command_lines():
        if arguments[0] == "serve" and where not in ("Dockerfile",) and not where.endswith(".md"):
            assert "--behind-proxy" in arguments, where


def test_the_examples_of_logins_are_good(tmp_path: Path) -> None:
    """What is copied from them is taken by who reads it: the file of access, and the passwords."""
    secret = next(one for one in manifests() if one["kind"] == "Secret")["stringData"]
    (tmp_path / "access.toml").write_text(secret["access.toml"], encoding="utf-8")
    (tmp_path / "passwords.json").write_text(secret["passwords.json"], encoding="utf-8")
    assert login_of(Settings(basic_auth=tmp_path / "passwords.json", cookie_secret="x")) is not None
    for path in (DEPLOY / "access.example.toml", tmp_path / "access.toml"):
        assert read_rules(path).role_of(Person("ada")) == "admin"
        assert read_rules(path).role_of(Person("somebody")) is None


def test_all_manifests_are_in_the_kustomization() -> None:
    """But for the example of the secret, which is not to be applied."""
    folder = DEPLOY / "kubernetes"
    listed = set(yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))["resources"])
    there = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml", "secret.example.yaml"}
    assert listed == there


def test_the_image_gets_what_the_wheel_needs() -> None:
    """What the Dockerfile copies is let through by `.dockerignore`, and is all that the build reads."""
    copied = {
        name for line in re.findall(r"^COPY (?!--)(.*) \./?\S*$", DOCKERFILE, re.MULTILINE) for name in line.split()
    }
    let_through = set(re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE))
    assert copied == let_through
    assert all((ROOT / name).exists() for name in copied)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert {"README.md", "LICENSE", "vibeseater", "dashboards"} <= copied
    assert 'dashboards = "vibeseater/dashboards"' in project

"""The files that make containers agree with what is in the repository."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from chatter.loader import ENVIRONMENT, load_settings
from chatter.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")

OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("chatter")}

# ${NAME:-default}
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\}")


def instructions(name: str) -> list[str]:
    """Return what follows each `name` in the Dockerfile."""
    return [line.partition(" ")[2].strip() for line in DOCKERFILE.splitlines() if line.startswith(f"{name} ")]


def environment(service: dict[str, Any]) -> dict[str, str]:
    """Return a service's environment where the person who starts it has set nothing."""
    return {
        name: VARIABLE.sub(lambda match: match["default"] or "", str(value))
        for name, value in service["environment"].items()
    }


def test_the_services_are_those_of_the_development_stack() -> None:
    monitoring = {"prometheus", "loki", "tempo", "grafana"}
    assert set(SERVICES) == {"chatter", "migrate", "chatter-postgres", "redis", *monitoring}
    assert set(OURS) == {"chatter", "migrate"}


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting(name: str) -> None:
    assert set(OURS[name]["environment"]) <= set(ENVIRONMENT)


@pytest.mark.parametrize("name", OURS)
def test_what_is_taken_from_outside_has_the_name_of_its_setting(name: str) -> None:
    for variable, value in OURS[name]["environment"].items():
        assert [match["name"] for match in VARIABLE.finditer(str(value))] in ([], [variable])


@pytest.mark.parametrize("name", OURS)
def test_the_settings_are_accepted(name: str) -> None:
    settings = load_settings(environment(OURS[name]))
    assert not settings.is_embedded


def test_the_database_is_the_one_that_is_started() -> None:
    url = load_settings(environment(SERVICES["chatter"])).database_url
    postgres = SERVICES["chatter-postgres"]["environment"]
    assert url.host == "chatter-postgres"
    assert url.port == 5432
    assert url.username == postgres["POSTGRES_USER"]
    assert url.password == postgres["POSTGRES_PASSWORD"]
    assert url.database == postgres["POSTGRES_DB"]
    assert load_settings(environment(SERVICES["migrate"])).database_url == url


def test_the_ports_are_the_defaults() -> None:
    settings = Settings()
    http, media = settings.server.address.port, settings.media.port
    # The media port is the same inside and outside: clients are told the one inside.
    assert SERVICES["chatter"]["ports"] == [
        f"127.0.0.1:{http}:{http}",
        # Where the original had its web client.
        f"127.0.0.1:5173:{http}",
        f"127.0.0.1:{media}:{media}/udp",
        f"127.0.0.1:{media}:{media}/tcp",
    ]
    assert instructions("EXPOSE") == [f"{http}/tcp {media}/udp {media}/tcp"]


def test_what_is_announced_reaches_the_container() -> None:
    announced = load_settings(environment(SERVICES["chatter"])).media.announced_addresses
    own = SERVICES["chatter"]["networks"]["default"]["ipv4_address"]
    published = {port.partition(":")[0] for port in SERVICES["chatter"]["ports"]}
    assert set(announced) == {*published, own}
    subnet = COMPOSE["networks"]["default"]["ipam"]["config"][0]["subnet"]
    assert own.rpartition(".")[0] == subnet.rpartition(".")[0]


def test_each_dependency_exists_and_is_waited_for_as_it_can_be() -> None:
    for service in SERVICES.values():
        for name, wait in service.get("depends_on", {}).items():
            if wait["condition"] == "service_healthy":
                assert "test" in SERVICES[name]["healthcheck"]
            else:
                assert wait["condition"] == "service_completed_successfully"
                assert "restart" not in SERVICES[name]


def test_migrations_are_run_as_the_command_line_has_them() -> None:
    assert SERVICES["migrate"]["entrypoint"] + SERVICES["migrate"]["command"] == ["chatter", "migrate", "up"]


def test_what_the_image_copies_exists() -> None:
    copies = [line.split() for line in instructions("COPY") if not line.startswith("--from")]
    assert copies
    for *sources, _target in copies:
        for source in sources:
            assert (ROOT / source).exists(), source


def test_what_the_image_copies_is_sent_to_the_builder() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copies = [line.split() for line in instructions("COPY") if not line.startswith("--from")]
    assert "*" in lines
    sent = {line[1:] for line in lines if line.startswith("!")}
    assert sent == {source for *sources, _target in copies for source in sources}


def test_the_image_has_every_package_that_the_app_imports() -> None:
    """All packages of the project but those that only developers run."""
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    copied = {source for line in instructions("COPY") for source in line.split()}
    assert packages <= copied


def test_uv_is_pinned_as_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    pin = re.search(r"^UV_PIN := (\S+)$", makefile, re.MULTILINE)
    assert pin is not None
    assert re.findall(r"\buv==\S+", DOCKERFILE) == [pin[1]]


def test_the_image_runs_as_nobody_in_particular_and_without_a_compiler() -> None:
    stages = DOCKERFILE.split("\nFROM ")
    assert len(stages) == 3
    assert "gcc" in stages[1]
    assert "gcc" not in stages[2]
    user = re.search(r"^USER (\d+):(\d+)$", stages[2], re.MULTILINE)
    assert user is not None
    assert "0" not in user.groups()


@pytest.mark.parametrize(
    ("server_addr", "url"),
    [
        (":8080", "http://127.0.0.1:8080/health"),
        ("0.0.0.0:80", "http://127.0.0.1:80/health"),
        ("[::]:80", "http://127.0.0.1:80/health"),
        ("127.0.0.1:9000", "http://127.0.0.1:9000/health"),
        ("[::1]:9000", "http://[::1]:9000/health"),
        ("chatter.example:8080", "http://chatter.example:8080/health"),
    ],
)
def test_the_health_check_asks_where_the_server_listens(server_addr: str, url: str) -> None:
    spec = importlib.util.spec_from_file_location("healthcheck", ROOT / "deploy" / "healthcheck.py")
    assert spec is not None
    assert spec.loader is not None
    healthcheck = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(healthcheck)
    assert healthcheck.health_url(server_addr) == url

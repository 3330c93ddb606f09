"""docker-compose.prod.yaml, the logs of docker-compose.loki.yaml, and the scripts around them."""

from __future__ import annotations

import ipaddress
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from chatter.loader import ENVIRONMENT, load_settings

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.prod.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
EXAMPLE = (ROOT / "deploy" / "env.example").read_text(encoding="utf-8")
NAMES = re.findall(r"^([A-Z_]+)=$", EXAMPLE, re.MULTILINE)

ENV = {
    **dict.fromkeys(NAMES, "a-secret-of-at-least-32-characters"),
    "DOMAIN": "chat.example.com",
    "PUBLIC_ADDRESS": "203.0.113.5",
    "EMAIL": "ops@example.com",
    "ADMIN_OPERATORS": "ann",
}


def compose(*files: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Let Compose itself read the files, without an engine."""
    arguments = [argument for file in files for argument in ("-f", str(ROOT / file))]
    return subprocess.run(
        [BIN / "docker-compose", "--env-file", "/dev/null", *arguments, "config"],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **(ENV if env is None else env)},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    "files",
    [
        ("docker-compose.yaml",),
        ("docker-compose.prod.yaml",),
        ("docker-compose.yaml", "docker-compose.loki.yaml"),
        ("docker-compose.prod.yaml", "docker-compose.loki.yaml"),
    ],
)
def test_compose_takes_the_files(files: tuple[str, ...]) -> None:
    done = compose(*files)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("EMAIL", "ADMIN_OPERATORS")])
def test_what_is_missing_is_named(name: str) -> None:
    done = compose("docker-compose.prod.yaml", env={key: value for key, value in ENV.items() if key != name})
    assert done.returncode != 0
    assert f"set {name} in .env" in done.stderr


def test_the_services_are_all_there() -> None:
    assert set(SERVICES) == {
        *("nginx", "certbot", "chatter", "migrate", "chatter-postgres", "redis", "coturn"),
        *("prometheus", "loki", "tempo", "grafana"),
    }


@pytest.mark.parametrize("name", SERVICES)
def test_each_has_a_health_check_and_limits(name: str) -> None:
    service = SERVICES[name]
    assert service["deploy"]["resources"]["limits"]["memory"]
    # Chatter's own is in the image.
    assert "healthcheck" in service or service["image"].startswith("chatter")
    # Never the newest of whatever there is.
    assert service["image"].startswith("chatter:") or re.search(r":v?\d", service["image"])


def settings_of_chatter() -> Any:
    done = compose("docker-compose.prod.yaml")
    values = yaml.safe_load(done.stdout)["services"]["chatter"]["environment"]
    assert set(values) <= set(ENVIRONMENT)
    return load_settings({name: str(value) for name, value in values.items() if value is not None})


def test_chatter_takes_its_settings() -> None:
    settings = settings_of_chatter()
    assert not settings.is_embedded
    assert settings.media.announced_addresses == ("203.0.113.5",)
    assert settings.turn.server.urls[0] == "turn:chat.example.com:3478?transport=udp"


def test_nginx_is_the_proxy_whose_word_is_taken() -> None:
    proxy = SERVICES["chatter"]["environment"]["SERVER_TRUSTED_PROXIES"]
    assert proxy == SERVICES["nginx"]["networks"]["default"]["ipv4_address"]
    subnet = ipaddress.ip_network(COMPOSE["networks"]["default"]["ipam"]["config"][0]["subnet"])
    assert ipaddress.ip_address(proxy) in subnet


def test_the_relay_reaches_chatter_and_nothing_else_inside() -> None:
    allowed = [each for each in SERVICES["coturn"]["command"] if each.startswith("--allowed-peer-ip=")]
    assert allowed == [f"--allowed-peer-ip={SERVICES['chatter']['networks']['default']['ipv4_address']}"]


def test_the_drain_fits_into_the_stop() -> None:
    grace = SERVICES["chatter"]["stop_grace_period"]
    assert settings_of_chatter().server.drain_timeout.total_seconds() + 20 < int(grace.removesuffix("s"))


def test_what_is_mounted_exists() -> None:
    for file in ("docker-compose.yaml", "docker-compose.prod.yaml"):
        for service in yaml.safe_load((ROOT / file).read_text())["services"].values():
            for volume in service.get("volumes", []):
                source = volume.partition(":")[0]
                assert not source.startswith(".") or (ROOT / source).exists(), volume


def test_only_what_is_for_people_is_published() -> None:
    for name, service in SERVICES.items():
        for port in service.get("ports", []):
            public = not port.startswith("127.0.0.1:")
            assert public is (name in ("nginx", "chatter")), (name, port)
    # HTTP only by way of nginx.
    assert not any(":8080" in port for port in SERVICES["chatter"]["ports"])


@pytest.mark.parametrize(
    "script",
    ["init-letsencrypt.sh", "tools/debian-packages", "tools/make-venv", "tools/test-containers", ".ci/run"],
)
def test_shellcheck_finds_nothing(script: str) -> None:
    done = subprocess.run([BIN / "shellcheck", ROOT / script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def test_hadolint_finds_nothing() -> None:
    done = subprocess.run([BIN / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")

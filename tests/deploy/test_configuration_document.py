"""docs/configuration.md names every setting, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel, SecretStr

from chatter.durations import parse_duration
from chatter.errors import SettingsError
from chatter.loader import ENVIRONMENT, load_settings
from chatter.settings import IceServer, Settings

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "configuration.md"
EXAMPLE = ROOT / "config" / "config.example.yaml"

ROW = re.compile(
    r"\| `(?P<key>[a-z0-9_.]+)` \| (?:`(?P<variable>[A-Z0-9_]+)`)? ?\| (?P<default>[^|]+) \| [^|]+ \|"
)

# A setting that is commented out in the example; prose begins with a capital.
COMMENTED = re.compile(r"( *)# ((?:  )?[a-z_]+:(?: \S.*)?)")

# What the document calls a default that is nothing.
NOTHING = {"none", "all addresses"}


def sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the section that a field holds, if it holds one (lists of ICE servers are a value)."""
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel) and candidate is not IceServer:
            yield candidate


def settings_of(section: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the key path and the default of every setting."""
    for name, field in section.model_fields.items():
        inner = next(sections(field.annotation), None)
        if inner is None:
            yield prefix + name, field.default
        else:
            yield from settings_of(inner, f"{prefix}{name}.")


def written(default: object) -> str:
    """Return a default as an operator writes it."""
    match default:
        case None:
            return ""
        case SecretStr():
            return default.get_secret_value()
        case bool():
            return str(default).lower()
        case tuple():
            return ",".join(default)
    return str(default)


def documented() -> dict[str, re.Match[str]]:
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    rows = [match for line in lines if (match := ROW.fullmatch(line))]
    table = [line for line in lines if line.startswith("| `")]
    assert len(rows) == len(table), "a row of the document has another form"
    assert len({row["key"] for row in rows}) == len(rows), "a setting is documented twice"
    return {row["key"]: row for row in rows}


def test_every_setting_is_documented_and_nothing_else() -> None:
    assert set(documented()) == {key for key, _ in settings_of(Settings)}


def test_the_environment_variables_are_those_of_the_loader() -> None:
    stated = {row["variable"]: tuple(key.split(".")) for key, row in documented().items() if row["variable"]}
    assert stated == dict(ENVIRONMENT)


def test_the_defaults_are_those_of_the_model() -> None:
    rows = documented()
    for key, default in settings_of(Settings):
        stated = rows[key]["default"].strip("`")
        if isinstance(default, timedelta):
            assert parse_duration(stated) == default, key
        else:
            assert ("" if stated in NOTHING else stated) == written(default), key


def test_the_keys_of_an_ice_server_are_documented() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    sentence = re.search(r"The keys of one ICE server are ([^.]+)\.", text)
    assert sentence is not None
    assert set(re.findall(r"`([a-z_]+)`", sentence[1])) == set(IceServer.model_fields)


def test_the_example_of_a_refusal_is_what_is_said() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    shown = re.search(r"\$ (\w+)=(\w+) chatter serve\nchatter: (.+)\n", text)
    assert shown is not None
    variable, value, sentence = shown.groups()
    with pytest.raises(SettingsError) as refusal:
        load_settings({variable: value, "CONFIG_PATH": str(EXAMPLE)})
    assert str(refusal.value) == sentence


def test_the_example_file_is_the_defaults() -> None:
    assert load_settings({"CONFIG_PATH": str(EXAMPLE)}) == Settings()


def test_the_example_file_names_every_setting() -> None:
    """Those that are commented out included: with the marks taken away they are valid too."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    uncommented = [COMMENTED.sub(r"\1\2", line) for line in lines]
    values = yaml.safe_load("\n".join(uncommented))
    named = {
        f"{section}.{key}" if isinstance(value, dict) else section
        for section, value in values.items()
        for key in (value if isinstance(value, dict) else [None])
    }
    assert named == {key for key, _ in settings_of(Settings)}

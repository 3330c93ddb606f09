"""The examples of docs/api.md run as they are written, one after another, on the whole app."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import bots

DOCUMENT = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")

BEGIN = "## A client for Python\n"

EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples() -> list[str]:
    section = DOCUMENT.partition(BEGIN)[2].partition("\n## Adding a route")[0]
    return EXAMPLE.findall(section)


async def run(source: str, names: dict[str, object]) -> None:
    """Run an example with the names that are given."""
    code = f"async def example():\n{textwrap.indent(source, '    ')}"
    exec(compile(code, "docs/api.md", "exec"), names)
    await names["example"]()


async def test_the_examples_of_the_client_run(client, capsys):
    found = examples()
    assert len(found) >= 2
    names = {"bots": bots, "server": str(client.make_url("")).rstrip("/")}
    for source in found:
        await run(source, names)
    said = capsys.readouterr().out
    assert "Standup owner 0" in said
    assert "401 invalid_credentials" in said
    assert "['Recorder']" in said

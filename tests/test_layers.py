"""Dependencies point one way (docs/architecture.md)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PACKAGES = frozenset(
    {
        "api",
        "auth",
        "benchmarks",
        "bots",
        "chatter",
        "migrations",
        "observability",
        "rooms",
        "sfu",
        "signaling",
        "web",
        "webhooks",
    }
)

# The sibling packages that each may import.
ALLOWED = {
    "api": set(),
    "auth": {"api"},
    "bots": set(),
    "observability": set(),
    "sfu": set(),
    "web": set(),
    "signaling": {"api", "auth", "sfu"},
    "rooms": {"api", "auth", "signaling"},
    "webhooks": {"auth", "signaling"},
    "migrations": {"auth", "rooms", "webhooks"},
    "chatter": PACKAGES - {"benchmarks"},
    "benchmarks": PACKAGES,
}

# The one file where signaling meets the media server.
SIGNALING_MEETS_SFU = ROOT / "signaling" / "media.py"

# The media server could be lifted out: it knows nothing of HTTP and databases.
NOT_IN_SFU = {"aiohttp", "sqlalchemy"}


def imported(source: str) -> Iterator[str]:
    """Yield the top-level packages that a module imports, wherever the statement is."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield (node.module or "").partition(".")[0]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            name = node.args[0]
            assert isinstance(name, ast.Constant), "what is imported is written there"
            yield str(name.value).partition(".")[0]


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import auth.http", ["auth"]),
        ("from sfu.net import server", ["sfu"]),
        ("def f():\n    import web.pages as pages", ["web"]),
        ("if TYPE_CHECKING:\n    from bots import room", ["bots"]),
        ("importlib.import_module('bots.cli')", ["bots"]),
        ("x = 'import auth'", []),
    ],
)
def test_finds_imports(source, expected):
    assert list(imported(source)) == expected


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_imports_only_what_is_below(package):
    assert modules(package), f"{package} has no modules"
    for path in modules(package):
        siblings = set(imported(path.read_text())) & PACKAGES - {package}
        assert siblings <= ALLOWED[package], f"{path} imports {siblings - ALLOWED[package]}"


def test_signaling_meets_the_sfu_in_one_file():
    meeting = [path for path in modules("signaling") if "sfu" in imported(path.read_text())]
    assert meeting == [SIGNALING_MEETS_SFU]


@pytest.mark.parametrize("path", modules("sfu"), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_sfu_knows_no_http_and_no_database(path):
    assert not NOT_IN_SFU & set(imported(path.read_text()))

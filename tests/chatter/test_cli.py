import logging
import sys
from types import ModuleType

import pytest
import structlog

from chatter.cli import main
from chatter.version import version


@pytest.fixture(autouse=True)
def own_place(tmp_path, monkeypatch):
    """A folder of its own, no settings from outside, and logging as it was at the end."""
    monkeypatch.chdir(tmp_path)
    for name in ("CONFIG_PATH", "DATABASE_URL", "DATA_DIR", "AUTH_SECRET"):
        monkeypatch.delenv(name, raising=False)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"chatter {version()}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], ["serve", "migrate", "bot", "examples:", "CONFIG_PATH", "config.example.yaml"]),
        (["serve", "--help"], ["--addr", "SERVER_ADDR", "--media-port", "MEDIA_PORT", "examples:"]),
        (["migrate", "--help"], ["up", "down", "status", "examples:"]),
    ],
)
def test_help(capsys, arguments, words):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert [word for word in words if word not in out] == []


@pytest.mark.parametrize(
    "arguments", [[], ["fly"], ["migrate"], ["migrate", "sideways"], ["serve", "--port", "1"]]
)
def test_a_wrong_command_line_is_explained(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: chatter" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["serve"], ["migrate", "up"]])
def test_a_bad_setting_is_one_sentence(capsys, monkeypatch, command):
    monkeypatch.setenv("AUTH_ACCESS_TTL", "a day")
    assert main(command) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        'chatter: AUTH_ACCESS_TTL is "a day": '
        "it must be a duration greater than zero such as 24h, 1h30m or 90s.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "name"),
    [(["--addr", "nowhere"], "--addr"), (["--media-port", "many"], "--media-port")],
)
def test_a_bad_option_is_one_sentence(capsys, arguments, name):
    assert main(["serve", *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"chatter: {name} is ")


def test_a_server_database_without_a_secret_is_one_sentence(capsys, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://me@127.0.0.1:1/chatter")
    assert main(["serve", "--addr", "127.0.0.1:0"]) == 2
    assert capsys.readouterr().err.startswith("chatter: AUTH_SECRET (auth.secret) is not set")


def test_migrate_up_down_and_status(capsys):
    def run(step):
        assert main(["migrate", step]) == 0
        return capsys.readouterr().out.splitlines()

    pending = [line.partition("  ")[0] for line in run("status")]
    versions = [line.removesuffix(" pending") for line in pending]
    assert versions[:4] == ["00001", "00002", "00003", "00004"]
    assert pending == [f"{version} pending" for version in versions]
    assert [line[:13] for line in run("up")] == [f"{version} applied" for version in versions]
    assert run("up") == ["The database is up to date."]
    assert run("down")[0].startswith(f"{versions[-1]} rolled back: ")
    assert [line[:13] for line in run("status")][-2:] == [
        f"{versions[-2]} applied",
        f"{versions[-1]} pending",
    ]
    for _ in versions[:-1]:
        run("down")
    assert run("down") == ["There is nothing to roll back."]


def test_a_database_that_is_away_is_one_sentence(capsys, monkeypatch, unused_tcp_port):
    monkeypatch.setenv("DATABASE_URL", f"postgresql://me:hidden@127.0.0.1:{unused_tcp_port}/chatter")
    assert main(["migrate", "status"]) == 1
    err = capsys.readouterr().err
    assert err.startswith(
        f"chatter: The database postgresql+asyncpg://me:***@127.0.0.1:{unused_tcp_port}/chatter"
    )
    assert err.count("\n") == 1


def test_the_bot_is_loaded_only_when_asked_for(monkeypatch):
    monkeypatch.delitem(sys.modules, "bots.cli", raising=False)
    main(["migrate", "status"])
    assert "bots.cli" not in sys.modules


def test_the_bot_has_its_own_options_and_exit_code(monkeypatch):
    seen = []
    bot = ModuleType("bots.cli")
    bot.add_arguments = lambda parser: parser.add_argument("url")
    bot.run = lambda args: seen.append(args.url) or 3
    monkeypatch.setitem(sys.modules, "bots.cli", bot)
    assert main(["bot", "http://localhost:8080/r/abc"]) == 3
    assert seen == ["http://localhost:8080/r/abc"]


def test_the_real_bot_fits_in(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["bot", "--help"])
    assert caught.value.code == 0
    assert "usage: chatter bot" in capsys.readouterr().out

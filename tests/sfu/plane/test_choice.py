"""Which plane is chosen, and what is said where the compiled one cannot be had."""

import ctypes
import importlib.util
import os
import subprocess
import sys
import textwrap
from unittest.mock import Mock

import pytest
from structlog.testing import capture_logs

from sfu.plane import create_plane, fast_plane, srtp
from sfu.plane._fast import FastPlane
from sfu.plane.interface import Plane
from sfu.plane.reference import ReferencePlane

# Taken when the tests are collected, before any of them has put something in its way.
REAL_FUNCTIONS = srtp.functions
WARNING = "The compiled plane is not there"


def test_the_compiled_plane_is_the_default() -> None:
    """Where it was not built this fails: tests are run with what users are to get."""
    with capture_logs() as lines:
        plane: Plane = create_plane()
    assert isinstance(plane, FastPlane)
    assert isinstance(create_plane("fast"), FastPlane)
    assert lines == []
    spec = importlib.util.find_spec("sfu.plane._fast")
    assert spec is not None
    assert (spec.origin or "").endswith(".so")


def test_the_reference_plane_on_request() -> None:
    assert isinstance(create_plane("reference"), ReferencePlane)


def test_without_the_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sfu.plane._fast", None)
    with capture_logs() as lines:
        assert isinstance(create_plane(), ReferencePlane)
    assert [line["event"][: len(WARNING)] for line in lines] == [WARNING]
    assert lines[0]["log_level"] == "warning"
    assert "sfu.plane._fast" in lines[0]["reason"]
    with pytest.raises(ImportError):
        create_plane("fast")


@pytest.mark.parametrize("version", [b"libsrtp3 3.0.0-pre", b"libsrtp 1.5.4", b""])
def test_with_another_libsrtp(monkeypatch: pytest.MonkeyPatch, version: bytes) -> None:
    library = Mock()
    library.srtp_get_version_string = Mock(return_value=version)
    monkeypatch.setattr(ctypes, "CDLL", lambda path: library)
    # Beneath the ledger of these tests.
    monkeypatch.setattr(srtp, "functions", REAL_FUNCTIONS)
    with capture_logs() as lines:
        assert isinstance(create_plane(), ReferencePlane)
    assert [line["event"][: len(WARNING)] for line in lines] == [WARNING]
    assert lines[0]["reason"] == f"pylibsrtp carries {version.decode()!r}, the compiled plane needs libsrtp 2"
    with pytest.raises(ImportError, match="needs libsrtp 2"):
        fast_plane()


def test_one_line_and_no_noise() -> None:
    """A plane that could not be made leaves nothing on standard error when it goes."""
    program = """
        import gc
        from sfu.plane import create_plane, srtp
        def functions():
            raise ImportError("another libsrtp")
        srtp.functions = functions
        print(type(create_plane()).__name__)
        gc.collect()
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    lines = (run.stdout + run.stderr).splitlines()
    assert lines[-1] == "ReferencePlane"
    assert len(lines) == 2
    assert WARNING in lines[0]
    assert "another libsrtp" in lines[0]

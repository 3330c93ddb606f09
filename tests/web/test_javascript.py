"""The tests of the web client's JavaScript, run by the node of the virtual environment."""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NODE = Path(sys.executable).parent / "node"


def test_the_javascript_tests_pass() -> None:
    files = sorted(str(path) for path in HERE.glob("*.test.js"))
    assert files
    run = subprocess.run(
        [NODE, "--disable-warning=MODULE_TYPELESS_PACKAGE_JSON", "--test", "--test-reporter=tap", *files],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    counts = {
        name: int(count) for name, count in re.findall(r"^# (pass|fail|skipped) (\d+)$", run.stdout, re.M)
    }
    assert counts["pass"] > 0, run.stdout
    assert counts["fail"] == counts["skipped"] == 0, run.stdout

"""The C beneath the compiled plane under sanitizers, fuzzed and raced. `make sanitize` does so for long."""

import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "native"
NATIVE = Path(__file__).parents[3] / "sfu" / "plane" / "native"
FLAGS = "-std=gnu11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror -Wno-unused-function -fno-omit-frame-pointer"
SECONDS = "3"

PROGRAMS = [
    ("fuzz", "address,undefined", ["-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc"], ["1"]),
    ("race", "thread", [], ["4", "1"]),
]


@pytest.mark.parametrize(
    ("name", "sanitizers", "options", "arguments"), PROGRAMS, ids=[row[0] for row in PROGRAMS]
)
def test_no_finding(
    tmp_path: Path, name: str, sanitizers: str, options: list[str], arguments: list[str]
) -> None:
    program = tmp_path / name
    subprocess.run(
        [
            "gcc",
            *FLAGS.split(),
            f"-fsanitize={sanitizers}",
            "-fno-sanitize-recover=all",
            f"-I{NATIVE.parent}",
            *options,
            HERE / f"{name}.c",
            *sorted(NATIVE.glob("*.c")),
            "-o",
            program,
            "-lm",
            "-lpthread",
        ],
        check=True,
        timeout=120,
    )
    run = subprocess.run(
        [program, SECONDS, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={"TSAN_OPTIONS": "halt_on_error=1"},
    )
    assert run.returncode == 0, run.stderr[-4000:]
    assert " datagrams" in run.stdout
    print(run.stdout)

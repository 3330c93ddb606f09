"""`chatter serve` whose event loop can be blocked from outside: each SIGUSR1 does so for STALL_SECONDS.

A handler of Python's runs between two steps of the main thread, which is the one of the event loop.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from chatter.cli import main

VARIABLE = "BENCHMARK_STALL_SECONDS"


def stall(*_: object) -> None:
    time.sleep(float(os.environ[VARIABLE]))


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, stall)
    sys.exit(main(["serve"]))

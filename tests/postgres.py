"""A PostgreSQL server of the tests' own."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

POSTGRES_BIN = Path("/usr/lib/postgresql/15/bin")


def free_port() -> int:
    """Return a TCP port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Postgres:
    """A cluster in a folder of its own, on a free port of loopback; its superuser is `app`."""

    def __init__(self) -> None:
        self._owner = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        # Not below pytest's folder: only its owner may enter that one.
        self._folder = Path(tempfile.mkdtemp(prefix="chatter-postgres-"))
        if self._owner:
            os.chown(self._folder, self._owner.pw_uid, self._owner.pw_gid)
        self._data = str(self._folder / "data")
        self._port = free_port()
        self.url = f"postgresql://app@127.0.0.1:{self._port}"
        """Wants the name of a database."""

    def create(self) -> None:
        """Make the cluster."""
        options = ("--auth=trust", "--locale=C.UTF-8", "--encoding=UTF8", "--no-sync")
        self._run("initdb", "-D", self._data, "-U", "app", *options)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-c listen_addresses=127.0.0.1 -p {self._port} -k {self._folder} -c fsync=off"
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", self._data, "-l", log, "-w", "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        """End it, and wait for its end."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", mode, "stop")

    def remove(self) -> None:
        """Delete its folder."""
        shutil.rmtree(self._folder)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(POSTGRES_BIN / program), *arguments]
        if self._owner:
            ids = (f"--reuid={self._owner.pw_uid}", f"--regid={self._owner.pw_gid}")
            command = ["setpriv", *ids, "--clear-groups", *command]
        subprocess.run(command, cwd=self._folder, check=True, timeout=60, stdout=subprocess.DEVNULL)

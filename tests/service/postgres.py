"""A PostgreSQL of the tests' own: in a folder, reached through a socket in it, gone at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path


def programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, the newest there is; Debian's lie beside PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if (named := shutil.which("initdb")) is not None:
        folders.append(Path(named).resolve().parent)
    return next((folder for folder in folders if (folder / "pg_ctl").exists()), None)


class Cluster:
    """A database server."""

    def __init__(self) -> None:
        found = programs()
        assert found is not None
        self._programs = found
        # the path of a socket must be short, so this is no folder of pytest's
        self._folder = Path(tempfile.mkdtemp(prefix="unmask-pg-"))
        self._user = self._pick_user()
        if self._user is not None:
            shutil.chown(self._folder, self._user)
        self._run("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "--no-sync")
        self.start()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @staticmethod
    def _pick_user() -> str | None:
        """Return whom it runs as: PostgreSQL refuses to run as root."""
        if os.geteuid() != 0:
            return None
        return pwd.getpwnam("postgres").pw_name

    def _run(self, program: str, *words: object) -> None:
        command = [str(self._programs / program), *map(str, words)]
        subprocess.run(
            command,
            check=True,
            user=self._user,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = f"-c listen_addresses='' -k {self._folder} -c max_connections=200"
        log = self._folder / "log"
        self._run("pg_ctl", "-D", self._data, "-w", "-l", log, "-o", options, "start")

    def kill(self) -> None:
        """End it at once, as a loss of power would."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")

    def create(self, name: str) -> str:
        """Make a database and return its address."""
        self._run("createdb", "-h", self._folder, "-U", "postgres", name)
        return f"postgresql://postgres@/{name}?host={self._folder}"

    def remove(self) -> None:
        """End it and remove everything."""
        self.kill()
        shutil.rmtree(self._folder)

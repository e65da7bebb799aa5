"""Stores results in children that are killed, each a little later than the one before.

    python killable_results.py FOLDER FILES KILLS [--runs]

With `--runs` there are small shards already, of a run each, and the next run joins them: it is the
one that is killed.

A child counts what it does to the file system and ends itself with SIGKILL at the number whose turn
it is, so that no point between two steps is left out. The last one lives.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from scan_records import scan_record, stored_row
from unmask.results.writer import writing

_STEPS = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"})
_BELOW_FOLDER = frozenset({"os.remove", "os.rmdir"})
"""Steps that may name a file without its folder, which is open."""
SHARD_RESULTS = 3
_LARGE = 1000
"""Shards of so many results would be large: none of a run of one file is."""


def store_all(folder: Path, files: int, shard_results: int = SHARD_RESULTS) -> None:
    """Store what is not stored yet, as a scan does."""
    with writing(folder, shard_results=shard_results) as store:
        for number in range(files):
            record = scan_record(f"{number}.mp4", 0.25)
            row = stored_row(record)
            if store.known.result(row.result_id) is None:
                store.add(record, row, f"<p>{number}</p>")


def killed_at(step: int, folder: Path, files: int, shard_results: int = SHARD_RESULTS) -> None:
    """Store, and die at a step."""
    done = 0

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal done
        inside = str(folder) in str(arguments[0]) if arguments else False
        if event in _STEPS and (inside or event in _BELOW_FOLDER):
            done += 1
            if done == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    store_all(folder, files, shard_results)


def main(folder: Path, files: int, kills: int, *, runs: bool) -> None:
    died = 0
    for stored in range(1, files if runs else 0):
        store_all(folder, stored, _LARGE)
    for number in range(kills):
        child = os.fork()
        if child == 0:
            if runs:
                killed_at(6 + 2 * number, folder, files, _LARGE)
            else:
                killed_at(5 + number % 23, folder, files)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        died += os.WIFSIGNALED(status)
    sys.stdout.write(f"{died}\n")
    store_all(folder, files, _LARGE if runs else SHARD_RESULTS)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:4]), runs="--runs" in sys.argv)

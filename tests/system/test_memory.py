"""A scan's process gives memory back, and keeps none for each thread."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import ctypes, sys, threading
from unmask.system.memory import give_back_large_blocks

if sys.argv[2] == "set":
    assert give_back_large_blocks()
library = ctypes.CDLL(None)
library.fopen.restype = library.malloc.restype = ctypes.c_void_p
met = threading.Barrier(4)

def allocate():
    library.malloc(100)
    met.wait()

threads = [threading.Thread(target=allocate) for _ in range(4)]
for each in threads:
    each.start()
for each in threads:
    each.join()
file = ctypes.c_void_p(library.fopen(sys.argv[1].encode(), b"w"))
library.malloc_info(0, file)
library.fclose(file)
"""


def heaps(path: Path, word: str) -> int:
    """Count the heaps of a process in which four threads asked for memory."""
    subprocess.run([sys.executable, "-c", _PROGRAM, str(path), word], check=True)
    return path.read_text().count("<heap nr=")


@pytest.mark.skipif(sys.platform != "linux", reason="the GNU C library has such settings")
def test_threads_have_no_heaps_of_their_own(tmp_path: Path) -> None:
    assert heaps(tmp_path / "before", "not") > 1
    assert heaps(tmp_path / "after", "set") == 1

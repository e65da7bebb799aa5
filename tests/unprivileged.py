"""Run a command without root's right to read what permissions deny: `python unprivileged.py ...`.

For tests of unreadable files that hold for root too, as in a container. Who is not root has no such
right, and the command is run as it is.
"""

from __future__ import annotations

import ctypes
import os
import sys

_PR_CAPBSET_DROP = 24
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2


def give_up_reading_everything() -> None:
    """Drop two capabilities from what the next program gets (Linux)."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
        if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "capabilities could not be dropped")


if __name__ == "__main__":
    if os.geteuid() == 0:
        give_up_reading_everything()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - the command comes from a test

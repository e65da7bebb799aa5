"""Memory that was freed: given back to the system, or kept for later. GNU C library only."""

from __future__ import annotations

import ctypes
from typing import Any

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Settings of `mallopt`, as its malloc.h numbers them."""
_LARGE_BYTES = 2**20
_MOST_KEPT_BYTES = 4 * 2**20


def set_thresholds(*, mmap_bytes: int, trim_bytes: int) -> bool:
    """Say which blocks come from the system one by one, and how much freed memory is kept.

    Args:
        mmap_bytes: least size of a block that is given back as soon as it is freed.
        trim_bytes: most freed memory that is kept.

    Returns:
        Whether the C library took it; others have no such setting and stay as they are.
    """
    return _set({M_MMAP_THRESHOLD: mmap_bytes, M_TRIM_THRESHOLD: trim_bytes})


def _set(settings: dict[int, int]) -> bool:
    if (mallopt := _function("mallopt")) is None:
        return False
    taken: list[bool] = [mallopt(each, value) == 1 for each, value in settings.items()]
    return all(taken)


def give_back_large_blocks() -> bool:
    """Have this process give large blocks back when they are freed, as a scan had better do.

    Left alone, the library takes the 20 MB of a network's file as a sign to keep blocks of that
    size: 100 MB more at the peak of a scan, in the same time. Nor do threads keep pieces of their
    own, 26 MB more: they ask for few.
    """
    return _set(
        {
            M_MMAP_THRESHOLD: _LARGE_BYTES,
            M_TRIM_THRESHOLD: _MOST_KEPT_BYTES,
            M_ARENA_MAX: 1,
        }
    )


def return_freed_memory() -> None:
    """Give back what the library keeps of the memory that was freed so far."""
    if (trim := _function("malloc_trim")) is not None:
        trim(0)


def _function(name: str) -> Any:
    """Return a function of the C library; None where it has no such one."""
    try:
        return getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return None

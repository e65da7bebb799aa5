"""Every data set known, by name."""

from __future__ import annotations

from unmask.datasets.layouts.layout import Layout

LAYOUTS: dict[str, Layout] = {}


def layout(name: str) -> Layout:
    """Return a layout by name.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in LAYOUTS:
        raise ValueError(f"unknown layout {name!r}; known: {', '.join(LAYOUTS)}")
    return LAYOUTS[name]

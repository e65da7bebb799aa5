"""Tiny invented data sets in the exact structure of real ones, by the layout's name.

Each is made in seconds and takes a few megabytes: real motion, blended fakes, exact masks.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from unmask.datasets.synth import (
    celebdf,
    deeperforensics,
    df40,
    dfdc,
    fakeavceleb,
    ffpp,
    uadfv,
    user_sets,
    wilddeepfake,
)

SYNTH: dict[str, Callable[[Path, int], None]] = {
    "ffpp": ffpp.make,
    "celebdf-v1": celebdf.make_v1,
    "celebdf-v2": celebdf.make_v2,
    "celebdf-pp": celebdf.make_pp,
    "dfdc": dfdc.make,
    "dfdc-preview": dfdc.make_preview,
    "deeperforensics": deeperforensics.make,
    "fakeavceleb": fakeavceleb.make,
    "wilddeepfake": wilddeepfake.make,
    "uadfv": uadfv.make,
    "df40": df40.make,
    "folder": user_sets.make_folder,
    "table": user_sets.make_table,
    "crops": user_sets.make_crops,
}
"""`make(root, seed)` for each layout: fills an empty folder."""
SIZED: dict[str, Callable[..., None]] = {"ffpp": ffpp.make_sized}
"""`make_sized(root, seed, size)` for layouts that have larger sets, of `SIZES`."""
SIZES = tuple(ffpp.SIZES)
"""Names of the sizes."""

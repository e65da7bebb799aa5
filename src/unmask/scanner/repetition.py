"""What a scan needs to be repeated: its settings as a table, and its command line."""

from __future__ import annotations

import shlex
from dataclasses import fields
from pathlib import Path

from unmask.core.settings import Limits, ScanSettings


def settings_table(settings: ScanSettings) -> dict[str, str | int | float | bool | None]:
    """Return all settings, limits included, as one flat table."""
    table = {f.name: getattr(settings, f.name) for f in fields(ScanSettings) if f.name != "limits"}
    table["explain"] = ",".join(settings.explain) or None
    return table | {f.name: getattr(settings.limits, f.name) for f in fields(Limits)}


def with_option(command: str, option: str) -> str:
    """Return a command line with one more option, before the `--` that ends them."""
    words = shlex.split(command)
    place = words.index("--")
    return shlex.join([*words[:place], option, *words[place:]])


def repeat_command(path: str, settings: ScanSettings, detector: str | Path | None) -> str:
    """Return the command line that repeats a scan, quoted for a POSIX shell."""
    words = ["unmask", "scan"]
    if detector is not None:
        words += ["--detector", str(detector)]
    default = ScanSettings()
    for name in SETTABLE:
        value = getattr(settings, name)
        if value != getattr(default, name):
            option = name.replace("_", "-")
            words += [f"--no-{option}"] if value == () else [f"--{option}", _word(value)]
    if settings.limits.max_seconds != default.limits.max_seconds:
        words += ["--max-seconds", str(settings.limits.max_seconds)]
    if settings.quick != default.quick:
        words.append("--quick" if settings.quick else "--no-quick")
    if settings.triage:
        words.append("--triage")
    return shlex.join([*words, "--", path])


def _word(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


SETTABLE = (
    "sample_fps",
    "face_detector",
    "detect_every_seconds",
    "detect_closely_seconds",
    "detect_long_side_px",
    "selector",
    "budget",
    "smoothing_frames",
    "seed",
    "explain",
)
"""Settings that have an option of the same name on the command line."""

"""Scores of other programs: a CSV file and a mapping of its columns become a predictions file.

Nothing is guessed: which column is the id, the label and the score is told, and whether the score
is a logit or a probability too.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from unmask.core.errors import InputNotFound, ManifestError
from unmask.crops.record import CropRecord
from unmask.datasets.manifest import Label
from unmask.evaluation.predictions import PredictionRow

LABELS: dict[str, Label] = {"real": "real", "fake": "fake", "0": "real", "1": "fake"}
"""Labels by how they may be written."""
STATUSES = ("done", "empty", "failed")
_HINT = "see `unmask scores --help`; columns: video_id, label, logit or probability, and others"
_EDGE = 1e-12
"""Probabilities are kept this far from 0 and 1, so that their logit is finite."""


def _logit(probability: float) -> float:
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"a probability lies in [0, 1], got {probability}")
    clipped = min(max(probability, _EDGE), 1 - _EDGE)
    return math.log(clipped / (1 - clipped))


_READ: dict[str, Callable[[str], Any]] = {
    "track": int,
    "frame_index": int,
    "pts_seconds": float,
    "face_px": float,
    "sharpness": float,
    "logit": float,
    "probability": lambda text: _logit(float(text)),
    "identities": lambda text: tuple(part.strip() for part in text.split(";") if part.strip()),
}
"""How a cell becomes a value; all others are text."""
COLUMNS = (
    "video_id", "label", "logit", "probability", "dataset", "method", "target", "source",
    "identities", "split", "compression", "track", "frame_index", "pts_seconds", "face_px",
    "sharpness", "status", "reason",
)  # fmt: skip
"""Columns that can be mapped."""


def parse_mapping(text: str) -> dict[str, str]:
    """Read a mapping such as `video_id=name,label=y,probability=p`: ours=theirs.

    Raises:
        ValueError: it is none, names a column that there is not, or leaves one out.

    >>> parse_mapping("video_id=name,label=y,logit=z")["label"]
    'y'
    """
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if bad := [ours for ours, sign, theirs in pairs if not (sign and theirs.strip())]:
        raise ValueError(f"--columns takes OURS=THEIRS,..., got {bad[0]!r} without a column")
    mapping = {ours.strip(): theirs.strip() for ours, _, theirs in pairs}
    if unknown := sorted(set(mapping) - set(COLUMNS)):
        raise ValueError(f"--columns: there is no {unknown[0]!r}; there are: {', '.join(COLUMNS)}")
    if missing := [name for name in ("video_id", "label") if name not in mapping]:
        raise ValueError(f"--columns must say which column is {missing[0]!r}")
    if ("logit" in mapping) == ("probability" in mapping):
        raise ValueError("--columns must name either logit= or probability=, and not both")
    return mapping


def read_scores(path: str | Path, columns: Mapping[str, str]) -> list[PredictionRow]:
    """Read a CSV file of scores.

    Args:
        path: with a line of names first.
        columns: our names to those of the file, from `parse_mapping`.

    Raises:
        InputNotFound: no such file.
        ManifestError: a column or value is not as it must be; the message names the line.
    """
    file = Path(path)
    if not file.is_file():
        raise InputNotFound(f"no file {str(path)!r}", hint="give a CSV file with a row per crop")
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            rows = list(_rows(csv.DictReader(opened), columns, str(path)))
    except UnicodeDecodeError as error:
        raise ManifestError(f"{str(path)!r} is not UTF-8 text", hint=_HINT) from error
    except csv.Error as error:
        raise ManifestError(f"{str(path)!r} is not a table: {error}", hint=_HINT) from error
    if not rows:
        raise ManifestError(f"{str(path)!r} has no rows", hint=_HINT)
    _refuse_contradictions(rows, str(path))
    return rows


def _rows(
    reader: csv.DictReader[str], columns: Mapping[str, str], name: str
) -> Iterator[PredictionRow]:
    there = reader.fieldnames or []
    if missing := [theirs for theirs in columns.values() if theirs not in there]:
        raise ManifestError(
            f"{name!r} has no column {missing[0]!r}; it has: {', '.join(there)[:200]}", hint=_HINT
        )
    for cells in reader:
        try:
            yield _row({ours: cells[theirs] or "" for ours, theirs in columns.items()})
        except ValueError as error:
            raise ManifestError(f"{name!r}, line {reader.line_num}: {error}", hint=_HINT) from error


def _row(cells: Mapping[str, str]) -> PredictionRow:
    """Return one line's row; an empty score is a failure."""
    values: dict[str, Any] = {
        name: _READ.get(name, str)(text.strip()) for name, text in cells.items() if text.strip()
    }
    label = str(values.pop("label", "")).lower()
    if label not in LABELS:
        raise ValueError(f"the label must be one of {', '.join(LABELS)}, got {label!r}")
    if "video_id" not in values:
        raise ValueError("the video_id is empty")
    score = values.pop("probability", values.pop("logit", None))
    status = values.pop("status", "failed" if score is None else "done")
    if status not in STATUSES:
        raise ValueError(f"the status must be one of {', '.join(STATUSES)}, got {status!r}")
    values.setdefault("dataset", "scores")
    told = {name: values.pop(name) for name in ("sharpness", "reason") if name in values}
    crop = CropRecord(label=LABELS[label], **values)
    return PredictionRow(crop, logit=score, status=status, **told)


def _refuse_contradictions(rows: list[PredictionRow], name: str) -> None:
    labels: dict[str, str] = {}
    for row in rows:
        crop = row.crop
        if labels.setdefault(crop.video_id, crop.label) != crop.label:
            raise ManifestError(
                f"{name!r}: {crop.video_id!r} is labelled both real and fake",
                hint="a video has one label; map another column to video_id",
            )

"""Cells that cut the face out of every frame of a film, with the signal that key frames come from.

One reading of a film serves every question about frames: which selector, how many, how pooled. The
cell notes what key frames alone would have cost and what all frames cost.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from unmask.core.errors import ManifestError
from unmask.core.face import Box
from unmask.core.settings import ScanSettings
from unmask.datasets.synth.footage import write_video
from unmask.faces.squares import cut_square, square_around
from unmask.scanner import keyframes
from unmask.scanner.face_cuts import Picture, choose_faces, cut_faces, whole_pictures
from unmask.scanner.passes import (
    ChosenFrames,
    FirstPass,
    decode_chosen,
    first_pass,
)
from unmask.scanner.repetition import settings_table
from unmask.studies.cells import Cell, Factor, Measured, Place
from unmask.studies.films import Film
from unmask.studies.synthetic import jpeg, mix_pictures
from unmask.system.files import file_sha256
from unmask.video import read_frames

ROWS = pa.schema(
    [
        ("track", pa.int32()),
        ("position", pa.int32()),
        ("frame", pa.int64()),
        ("pts_seconds", pa.float64()),
        ("difference", pa.float64()),
        ("codec_key", pa.bool_()),
        ("share", pa.float64()),
        ("image", pa.large_binary()),
    ]
)
"""Columns of a film's cell, a row per face and sampled frame; `share` is how much of the forgery
is in the frame, null where that is not known. `with_film_facts` adds what is known of the film."""


@dataclass(frozen=True)
class Cutting:
    """How faces are cut out of frames."""

    size_px: int
    """Side of a crop."""
    margin_ratio: float
    """Side of the square over the longer side of the face box."""
    shift_y_ratio: float = 0.0
    """How far the square's centre lies below the box's."""
    scan: ScanSettings = field(default_factory=ScanSettings)
    """How videos are looked at; its budget is what key frames alone would have cost."""
    tracks: int = 2
    """Most faces of a film."""

    def content(self) -> dict[str, Any]:
        """Return all that a cell depends on."""
        own = {name: value for name, value in asdict(self).items() if name != "scan"}
        return own | settings_table(self.scan)


def frames_cell(factors: dict[str, Factor], film: Film, cutting: Cutting) -> Cell:
    """Return the cell that cuts all frames of a film."""
    content = {"what": "frames", "video": file_sha256(film.path), "cut": cutting.content()}

    def measure(_: Place) -> Measured:
        return _cut_film(film.path, cutting)

    return Cell(factors, content, measure)


def schedule(name: str, count: int) -> NDArray[np.float64]:
    """Return the share of the forgery in each of `count` frames, in [0, 1].

    `whole` is forged throughout; `fade` begins real and ends forged, evenly; `insertion` is forged
    for an eighth of the film only, from three eighths on.
    """
    places = (np.arange(count) + 0.5) / count
    if name == "whole":
        return np.ones(count)
    if name == "fade":
        return places
    if name == "insertion":
        return ((places >= 3 / 8) & (places < 4 / 8)).astype(np.float64)
    raise ValueError(f"unknown schedule {name!r}")


def mixed_cell(
    factors: dict[str, Factor], real: Film, fake: Film, name: str, cutting: Cutting
) -> Cell:
    """Return the cell of a film in which a forgery comes and goes by a schedule.

    Args:
        factors: where it stands in its study.
        real: a film.
        fake: the film made from it, frame for frame.
        name: of the `schedule`.
        cutting: how faces are cut.
    """
    content = {
        "what": "mixed frames",
        "videos": [file_sha256(real.path), file_sha256(fake.path)],
        "schedule": name,
        "cut": cutting.content(),
    }

    def measure(place: Place) -> Measured:
        path = place.work / "mixed.mp4"
        shares = _write_mixed(real, fake, name, path, cutting)
        measured = _cut_film(path, cutting)
        of_row = pa.array([float(shares[frame]) for frame in measured.table["frame"].to_pylist()])
        at = ROWS.get_field_index("share")
        return replace(measured, table=measured.table.set_column(at, ROWS.field("share"), of_row))

    return Cell(factors, content, measure)


def _write_mixed(
    real: Film, fake: Film, name: str, path: Path, cutting: Cutting
) -> NDArray[np.float64]:
    clips = [_all_frames(film.path, cutting) for film in (real, fake)]
    if clips[0].shape[1:] != clips[1].shape[1:]:
        raise ManifestError(
            f"{real.id!r} and {fake.id!r} are not of one size, so they cannot be mixed",
            hint="give fakes that were made from their targets frame for frame",
        )
    count = min(map(len, clips))
    shares = schedule(name, count)
    frames = [mix_pictures(clips[0][n], clips[1][n], float(shares[n])) for n in range(count)]
    write_video(path, np.stack(frames), crf=18)
    return shares


def _all_frames(path: Path, cutting: Cutting) -> NDArray[np.uint8]:
    first = first_pass(path, cutting.scan)
    stamps = [first.stamps[index] for index in sorted(first.stamps)]
    images = [f.image for f in read_frames(first.info, stamps, limits=cutting.scan.limits)]
    height, width = (side // 2 * 2 for side in images[0].shape[:2])
    return np.stack([image[:height, :width] for image in images])


def _cut_film(path: Path, cutting: Cutting) -> Measured:
    began = time.perf_counter()
    first = first_pass(path, cutting.scan)
    read = time.perf_counter()
    keys = choose_faces(first.tracks, first.codec_keys, cutting.scan, most=cutting.tracks)
    key_frames = len(_crops(first, keys, cutting))
    keys_cut = time.perf_counter()
    every = [replace(each, positions=np.arange(len(each.track))) for each in keys]
    crops = _crops(first, every, cutting)
    rows = [
        _row(first, each, position, crops[each.track.id, position])
        for each in every
        for position in map(int, each.positions)
    ]
    figures = {
        "seconds_read": read - began,
        "seconds_keys": keys_cut - read,
        "seconds_all": time.perf_counter() - keys_cut,
        "frames_keys": float(key_frames),
        "frames_all": float(len(crops)),
    }
    return Measured(pa.Table.from_pylist(rows, schema=ROWS), figures)


def _crops(
    first: FirstPass, chosen: Sequence[ChosenFrames], cutting: Cutting
) -> dict[tuple[int, int], bytes]:
    """Cut and encode the chosen faces, by track and position."""

    def cut(picture: Picture, box: Box) -> bytes:
        square = square_around(
            box, margin_ratio=cutting.margin_ratio, shift_y_ratio=cutting.shift_y_ratio
        )
        return jpeg(cut_square(picture, square, size_px=cutting.size_px), 95)

    pictures = whole_pictures(decode_chosen(first, chosen, cutting.scan.limits))
    faces = cut_faces(pictures, cut, detector=None)  # where the tracks say: all frames, cheaply
    return {(face.track.id, face.position): face.cut for face in faces}


def _row(first: FirstPass, chosen: ChosenFrames, position: int, image: bytes) -> dict[str, Any]:
    track = chosen.track
    index = int(track.frame_indices[position])
    return {
        "track": track.id,
        "position": position,
        "frame": index,
        "pts_seconds": float(track.pts_seconds[position]),
        "difference": float(track.differences[position]),
        "codec_key": index in first.codec_keys,
        "image": image,
    }


def with_film_facts(table: pa.Table, film: Film) -> pa.Table:
    """Return a film's rows with what is known of it."""
    facts = {"video": film.id, **{n: getattr(film, n) for n in ("label", "method", "target")}}
    for name, value in facts.items():
        table = table.append_column(name, pa.array([value] * len(table), pa.string()))
    return table


def chosen_rows(
    table: pa.Table, selector: str, budget: int, *, smoothing_frames: int, seed: int = 0
) -> NDArray[np.int64]:
    """Return the rows of a film that a selector chooses in each of its tracks, ascending."""
    tracks = table["track"].to_numpy()
    differences = table["difference"].to_numpy(zero_copy_only=False).astype(np.float64)
    codec = table["codec_key"].to_numpy(zero_copy_only=False).astype(bool)
    positions: list[NDArray[np.int64]] = []
    for track in np.unique(tracks):
        rows = np.flatnonzero(tracks == track)
        smoothed = keyframes.smooth(differences[rows], smoothing_frames)
        signal = keyframes.Signal(differences[rows], smoothed, codec[rows])
        positions.append(rows[keyframes.select(selector, signal, budget=budget, seed=seed)])
    return np.concatenate(positions) if positions else np.empty(0, np.int64)

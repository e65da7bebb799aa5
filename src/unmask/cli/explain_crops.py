"""Crops to check maps on: of a store, a table, a folder of pictures, or forged on the spot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.bundle import Bundle, Preprocessing
from unmask.errors import InputNotFound, ManifestError
from unmask.explain.check import Sample
from unmask.faces.crops import cut_square, square_around
from unmask.settings import Limits
from unmask.values import Box

Picture = NDArray[np.uint8]
MASK_SUFFIX = ".mask.png"
"""A picture `a.png` has its mask in `a.mask.png`: white is manipulated."""
_PICTURES = frozenset([".png", ".jpg", ".jpeg", ".webp", ".bmp"])
_FORGED_SIZE = (480, 360)
_FORGED_SECONDS = 0.4
_OTHER_PERSON = 37
"""The source of a forgery is the person so many numbers further on."""


def samples_in(folder: Path, bundle: Bundle, *, masks: bool, limit: int | None) -> list[Sample]:
    """Return the crops of a crop store, a table of crops, or a folder of pictures of face crops.

    Args:
        folder: one of these; a table is a Parquet file, as `predict` takes it, and has no masks.
        bundle: the detector.
        masks: whether to read masks.
        limit: most crops, evenly spread; of a table, as many real as fake; None for all.

    Raises:
        InputNotFound: there is no crop in the folder.
        ManifestError: the crop store or the table is damaged.
    """
    spec = bundle.manifest.preprocessing
    if folder.is_file():
        return list(_tabled(folder, bundle, limit))
    if any(folder.rglob("*.parquet")):
        return list(_stored(folder, spec, masks, limit))
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _PICTURES)
    paths = [p for p in found if not p.name.endswith(MASK_SUFFIX)]
    if not paths:
        raise InputNotFound(
            f"there is no crop in {str(folder)!r}",
            hint="give a crop store of `unmask data crops`, or a folder of face crops as pictures",
        )
    return [_pictured(paths[i], folder, spec, masks) for i in spread(len(paths), limit)]


def spread(count: int, limit: int | None) -> list[int]:
    """Return at most `limit` places, evenly spread over `count`."""
    wanted = count if limit is None else min(count, limit)
    places: list[int] = np.linspace(0, count - 1, wanted).round().astype(int).tolist()
    return places


def _stored(folder: Path, spec: Preprocessing, masks: bool, limit: int | None) -> Iterator[Sample]:
    from unmask.datasets.loading import Crop, CropDataset

    data = CropDataset(folder, masks=masks)
    for place in spread(len(data), limit):
        crop: Crop = data[place]
        side = float(crop.pixels.shape[0])
        square: Box = (0.0, 0.0, side, side)
        if crop.box is not None:
            box: Box = crop.in_crop(crop.box)  # type: ignore[assignment]  # four in, four out
            square = _square(box, spec)
        yield Sample(
            crop_id=f"{crop.video_id}#t{crop.track}f{crop.frame_index}",
            video_id=crop.target or crop.video_id,
            label=crop.label,
            pixels=cut_square(crop.pixels, square, size_px=spec.size_px),
            mask=None if crop.mask is None else cut_square(crop.mask, square, size_px=spec.size_px),
        )


def _tabled(path: Path, bundle: Bundle, limit: int | None) -> Iterator[Sample]:
    from unmask.evaluation.pictures import pictures_at

    for picture in pictures_at(bundle, path, limit=limit):
        if picture is None:
            raise ManifestError(
                f"a picture of {str(path)!r} cannot be decoded", hint="leave damaged crops out"
            )
        row = picture.row(0.0)
        yield Sample(
            crop_id=row.video_id,
            video_id=row.target or row.video_id,
            label=row.label,
            pixels=picture.cut(picture.pixels),
            mask=None,
        )


def _square(box: Box, spec: Preprocessing) -> Box:
    return square_around(box, margin_ratio=spec.margin_ratio, shift_y_ratio=spec.shift_y_ratio)


def _pictured(path: Path, folder: Path, spec: Preprocessing, masks: bool) -> Sample:
    from unmask.video.still import pixels_as_shown

    pixels = pixels_as_shown(path, limits=Limits())
    whole: Box = (0.0, 0.0, float(pixels.shape[1]), float(pixels.shape[0]))
    drawn = path.with_name(path.stem + MASK_SUFFIX)
    mask = None
    if masks and drawn.is_file():
        grey = pixels_as_shown(drawn, limits=Limits()).max(axis=2)
        mask = np.asarray(Image.fromarray(grey).resize((spec.size_px, spec.size_px)))
    name = str(path.relative_to(folder))
    label = next((part for part in path.parts[::-1] if part in {"real", "fake"}), None)
    crop = cut_square(pixels, whole, size_px=spec.size_px)
    return Sample(name, name, label, crop, mask)


def forged_samples(count: int, spec: Preprocessing) -> Iterator[Sample]:
    """Yield crops of forgeries of invented footage, with the exact masks of what was replaced.

    Each is of another person; the ways of forging take turns. They are drawn, not filmed.
    """
    from unmask.datasets.synth.footage import forge, talk
    from unmask.datasets.synth.forging import METHODS
    from unmask.faces.detector import create

    detector = create("mtcnn", threads=1)
    ways = list(METHODS)
    for person in range(count):
        way = ways[person % len(ways)]
        clip = talk(person, take=1, seconds=_FORGED_SECONDS, size=_FORGED_SIZE)
        frames, masks = forge(clip, person + _OTHER_PERSON, method=way)
        middle = len(frames) // 2
        faces = detector.detect(frames[middle])
        if faces:
            square = _square(faces[0].box, spec)
            yield Sample(
                crop_id=f"person {person}, {way}",
                video_id=f"person {person}",
                label="fake",
                pixels=cut_square(frames[middle], square, size_px=spec.size_px),
                mask=cut_square(masks[middle], square, size_px=spec.size_px),
            )

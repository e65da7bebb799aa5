"""Crops to check maps on: of a store, a table, a folder of pictures, or forged on the spot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import typer
from PIL import Image

from unmask.bundle.framing import face_square
from unmask.bundle.manifest import Bundle, Preprocessing
from unmask.core.errors import InputError, InputNotFound, ManifestError
from unmask.core.face import Box
from unmask.core.settings import Limits
from unmask.core.text import visible
from unmask.datasets.manifest import Split
from unmask.explain.check import Sample
from unmask.faces.squares import cut_square

if TYPE_CHECKING:
    from unmask.evaluation.stored_pictures import StoredFace, StoredFaces

MASK_SUFFIX = ".mask.png"
"""A picture `a.png` has its mask in `a.mask.png`: white is manipulated."""
_PICTURES = frozenset([".png", ".jpg", ".jpeg", ".webp", ".bmp"])
_FORGED_SIZE = (480, 360)
_FORGED_SECONDS = 0.4
_OTHER_PERSON = 37
"""The source of a forgery is the person so many numbers further on."""


def samples_in(
    folder: Path, bundle: Bundle, *, split: Split | None = None, masks: bool, limit: int | None
) -> list[Sample]:
    """Return the crops of a crop store, a table of crops, or a folder of pictures of face crops.

    Args:
        folder: one of these; a table is a Parquet file, as `predict` takes it, and has no masks.
        bundle: the detector.
        split: only crops of this split, of a store; None for all, and a warning on standard error
            where some are of the split train.
        masks: whether to read masks.
        limit: most crops, evenly spread; of a table, as many real as fake; None for all.

    Raises:
        InputNotFound: there is no crop in the folder.
        ManifestError: the crop store or the table is damaged, or the store was cut too tightly.
        InputError: the detector judges clips, and it is no store.
        ValueError: a split was asked for, and it is no store.
    """
    if folder.is_file() or any(folder.rglob("*.parquet")):
        return _read_stored(folder, bundle, split=split, masks=masks, limit=limit)
    refuse_clips(bundle, f"{str(folder)!r} holds single pictures")
    if split is not None:
        raise ValueError("a folder of pictures has no splits: leave --split away")
    result = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _PICTURES)
    paths = [p for p in result if not p.name.endswith(MASK_SUFFIX)]
    if not paths:
        raise InputNotFound(
            f"there is no crop in {str(folder)!r}",
            hint="give a crop store of `unmask data crops`, or a folder of face crops as pictures",
        )
    spec = bundle.manifest.preprocessing
    return [_read_picture(paths[i], folder, spec, masks) for i in spread(len(paths), limit)]


def spread(count: int, limit: int | None) -> list[int]:
    """Return at most `limit` places, evenly spread over `count`."""
    size = count if limit is None else min(count, limit)
    places: list[int] = np.linspace(0, count - 1, size).round().astype(int).tolist()
    return places


def _read_stored(
    path: Path, bundle: Bundle, *, split: Split | None, masks: bool, limit: int | None
) -> list[Sample]:
    """Return crops, and say on standard error where some are of the split train."""
    from unmask.evaluation.composer import train_warnings

    samples: list[Sample] = []
    splits = []
    for face in _stored_faces(path, bundle, split=split, masks=masks, limit=limit):
        if face is None:
            raise ManifestError(
                f"a picture of {str(path)!r} cannot be decoded", hint="leave damaged crops out"
            )
        samples += _samples(face)
        splits.append(face.record.split)
    for warning in train_warnings(splits):
        typer.echo(f"warning: {visible(warning)}", err=True)
    return [samples[n] for n in spread(len(samples), limit)]


def _stored_faces(
    path: Path, bundle: Bundle, *, split: Split | None, masks: bool, limit: int | None
) -> StoredFaces:
    """Return chosen crops, or the clips of a detector over time."""
    from unmask.evaluation.stored_pictures import Pictures, drawn_evenly, faces_at, stored_source

    if (clip := bundle.manifest.clip) is not None:  # a frame of each of so many clips is enough
        most = None if limit is None else limit * clip.frames
        return faces_at(bundle, path, split=split, limit=most, masks=masks)
    source = stored_source(bundle, path, split=split, masks=masks)
    labels = source.crops.is_fake
    # a store's crops lie video by video, those of a table in whatever order
    places = drawn_evenly(labels, limit) if path.is_file() else spread(len(labels), limit)
    return Pictures(source, np.asarray(places))


def _samples(face: StoredFace) -> list[Sample]:
    """Return a crop, or each frame of a clip, once."""
    names = [crop.record.crop_id for crop in face.crops]
    single = face.bundle.manifest.clip is None
    seen, mask = face.inputs()[0], face.masks()
    record = face.record
    return [
        Sample(
            crop_id=name,
            video_id=record.target or record.video_id,
            label=record.label,
            pixels=seen if single else seen[names.index(name)],
            mask=mask if mask is None or single else mask[names.index(name)],
            clip=None if single else seen,
            places=() if single else tuple(n for n, other in enumerate(names) if other == name),
        )
        for name in dict.fromkeys(names)
    ]


def refuse_clips(bundle: Bundle, why: str) -> None:
    """Refuse single pictures for a detector of clips.

    Raises:
        InputError: the detector judges clips.
    """
    if bundle.manifest.clip is not None:
        raise InputError(
            f"the detector {bundle.manifest.name!r} judges clips, and {why}",
            hint="give a crop store of `unmask data crops`",
        )


def _read_picture(path: Path, folder: Path, spec: Preprocessing, masks: bool) -> Sample:
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
    from unmask.datasets.synth.forgery import METHODS
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
            square = face_square(faces[0].box, spec)
            yield Sample(
                crop_id=f"person {person}, {way}",
                video_id=f"person {person}",
                label="fake",
                pixels=cut_square(frames[middle], square, size_px=spec.size_px),
                mask=cut_square(masks[middle], square, size_px=spec.size_px),
            )

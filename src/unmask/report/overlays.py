"""Maps as files: numbers as NPZ, pictures as PNG with the map laid over the crop."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.core.scan import KeyFramePicture
from unmask.report.pictures import overlay
from unmask.system.files import write_whole

Picture = NDArray[np.uint8]
_STRENGTH = 0.65


def laid_over(crop: Picture, saliency: NDArray[np.float32]) -> Picture:
    """Return a crop `(S, S, 3)` with its map `(S, S)` laid over it, as in the report."""
    coloured = overlay(saliency).astype(np.float32)
    share = coloured[..., 3:] / 255 * np.float32(_STRENGTH)
    mixed = crop * (1 - share) + coloured[..., :3] * share
    blended: Picture = np.rint(mixed).astype(np.uint8)
    return blended


def write_maps(folder: Path, name: str, picture: KeyFramePicture) -> list[Path]:
    """Write the maps of one key frame.

    Args:
        folder: where to; it is made.
        name: what file names start with.
        picture: the crop and its maps.

    Returns:
        `NAME.npz` (for each method `METHOD` in [0, 1] and `METHOD_raw`, and the `crop`), then a
        PNG per method with the crop beside the crop with the map.
    """
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, NDArray[np.generic]] = {"crop": picture.crop}
    for each in picture.maps:
        arrays |= {each.method: each.values, f"{each.method}_raw": each.raw}
    written = [folder / f"{name}.npz"]
    write_whole(written[0], partial(_save_arrays, arrays))
    for each in picture.maps:
        both = np.concatenate([picture.crop, laid_over(picture.crop, each.values)], axis=1)
        written.append(folder / f"{name}-{each.method}.png")
        write_whole(written[-1], partial(_save_picture, Image.fromarray(both)))
    return written


def _save_arrays(arrays: Mapping[str, NDArray[np.generic]], path: Path) -> None:
    with path.open("wb") as file:  # numpy would add a suffix to a name
        np.savez_compressed(file, allow_pickle=False, **arrays)


def _save_picture(picture: Image.Image, path: Path) -> None:
    picture.save(path, "PNG")

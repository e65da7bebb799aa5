"""What each view of a detector sees of a face: the one place where framings become pixels.

frame and face box -> cut_views    -> a crop for each view, cut from the frame itself
picture of a face  -> split_views  -> the same from a picture that is framed as the first view
stored crop        -> recut_views  -> the same from a picture of which it is known what it shows
crop of the first  -> ViewGrid     -> the others' inputs and maps as linear maps of its pixels
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.bundle.manifest import Preprocessing, View, square_within
from unmask.core.errors import ManifestError
from unmask.core.face import Box
from unmask.core.media import PicturePart
from unmask.faces.squares import cut_square, square_around, within_square

Pixels = NDArray[np.uint8]
Float = NDArray[np.float32]
Crops = tuple[Pixels, ...]
"""One face: for each view its crop `(S, S, 3)` RGB."""
Batch = tuple[Pixels, ...]
"""N faces: for each view their crops `(N, S, S, 3)` RGB."""
_SLACK = 0.02
"""How far a wanted square may reach over a picture that was cut before, in sides of it."""


def face_square(box: Box, spec: Preprocessing) -> Box:
    """Return the square that a framing cuts for a face box, XYXY pixels."""
    return square_around(box, margin_ratio=spec.margin_ratio, shift_y_ratio=spec.shift_y_ratio)


def cut_views(image: Pixels | PicturePart, box: Box, views: Sequence[View]) -> Crops:
    """Cut a face out of a frame for every view; views of one framing share a crop.

    Args:
        image: `(H, W, 3)` RGB, or the part of it around the face.
        box: the face, XYXY pixels.
        views: of the detector.
    """
    cut: dict[tuple[Box, int], Pixels] = {}
    keys = [(face_square(box, v.preprocessing), v.preprocessing.size_px) for v in views]
    for square, size_px in keys:
        if (square, size_px) not in cut:
            cut[square, size_px] = cut_square(image, square, size_px=size_px)
    return tuple(cut[key] for key in keys)


def finest_size(views: Sequence[View]) -> int:
    """Return the side at which a crop of the first view holds what every view looks at, pixels."""
    first = views[0].preprocessing
    return max(
        math.ceil(spec.size_px * first.margin_ratio / spec.margin_ratio)
        for spec in (view.preprocessing for view in views)
    )


def split_views(picture: Image.Image, views: Sequence[View]) -> Crops:
    """Resize a picture of a face, framed as the first view, for every view.

    Args:
        picture: RGB; it is taken whole, whatever its shape.
        views: of the detector.
    """
    return tuple(
        np.asarray(
            picture.resize(
                (view.preprocessing.size_px,) * 2,
                Image.Resampling.BILINEAR,
                box=_box(picture, square_within(view.preprocessing, views[0].preprocessing)),
            )
        )
        for view in views
    )


def recut_views(
    picture: Pixels, square: Box | None, box: Box | None, views: Sequence[View], *, name: str
) -> Crops:
    """Cut a picture that was cut out of a frame before, as each view wants its input.

    One of which it is not known where it was cut, or where the face is, is taken as framed as the
    first view.

    Args:
        picture: `(S, S, 3)` RGB, or `(S, S)`.
        square: what it shows, XYXY pixels of the frame; None where that is not known.
        box: the face, XYXY pixels of the frame; None where it was not searched.
        views: of the detector.
        name: what to call the picture in a message.

    Raises:
        ManifestError: the detector looks at more than the picture holds.
    """
    if square is None or (box is None and len(views) > 1):
        return split_views(Image.fromarray(picture), views)
    side = picture.shape[0]
    if box is None:
        specs = [view.preprocessing for view in views]
        return tuple(cut_square(picture, (0, 0, side, side), size_px=s.size_px) for s in specs)
    return tuple(_recut(picture, square, box, view.preprocessing, name) for view in views)


def _recut(picture: Pixels, square: Box, box: Box, spec: Preprocessing, name: str) -> Pixels:
    side = picture.shape[0]
    x0, y0, x1, y1 = within_square(face_square(box, spec), square, size_px=side)
    if min(x0, y0) < -_SLACK * side or max(x1, y1) > (1 + _SLACK) * side:
        held = (square[2] - square[0]) / max(box[2] - box[0], box[3] - box[1])
        raise ManifestError(
            f"{name!r}: the detector looks at {spec.margin_ratio:g} times the face, shifted by "
            f"{spec.shift_y_ratio:g}; the crop holds {held:.2f} times",
            hint="cut the crops anew with a larger --margin-ratio",
        )
    return cut_square(picture, (x0, y0, x1, y1), size_px=spec.size_px)


def batch(faces: Sequence[Crops]) -> Batch:
    """Stack the crops of one face or more, by view."""
    return tuple(np.stack(crops) for crops in zip(*faces, strict=True))


def _box(picture: Image.Image, square: Box) -> Box:
    """Return a square in sides of a picture in its pixels, without what rounding adds."""
    x0, y0, x1, y1 = (min(max(edge, 0.0), 1.0) for edge in square)
    return x0 * picture.width, y0 * picture.height, x1 * picture.width, y1 * picture.height


class ViewGrid:
    """A view within the first one: its input from the first's, its cells on the first's crop.

    Args:
        view: its framing and normalisation.
        first: those of the first view.
    """

    def __init__(self, view: Preprocessing, first: Preprocessing) -> None:
        self._view, self._first = view, first
        x0, y0, x1, y1 = (min(max(edge, 0.0), 1.0) for edge in square_within(view, first))
        self._across, self._down = (x0, x1), (y0, y1)
        self._scale = _channels(first.std) / _channels(view.std)
        self._offset = (_channels(first.mean) - _channels(view.mean)) / _channels(view.std)

    def inputs(self, images: Float) -> Float:
        """Return the view's input `(N, 3, S, S)` for inputs of the first."""
        if self._same:
            return images
        down, across = self._resampling
        resized = np.ascontiguousarray(down @ images @ across.T)
        return np.asarray(resized * self._scale + self._offset)

    def gradients(self, at_inputs: Float) -> Float:
        """Return gradients at the first's input for gradients at the view's, `(N, 3, S, S)`."""
        if self._same:
            return at_inputs
        down, across = self._resampling
        return np.ascontiguousarray(down.T @ (at_inputs * self._scale) @ across)

    def cells(self, height: int) -> int:
        """Return how many cells along the first's crop are as fine as `height` along the view."""
        return round(height / (self._down[1] - self._down[0]))

    def placed(self, maps: Float, cells: int) -> Float:
        """Return maps `(..., h, w)` of the view on the first's crop, `(..., cells, cells)`.

        Bilinear within the view, 0 beyond it.
        """
        if self._same and maps.shape[-2:] == (cells, cells):
            return maps
        height, width = maps.shape[-2:]
        down, across = (
            _placement_weights(height, cells, self._down),
            _placement_weights(width, cells, self._across),
        )
        return np.ascontiguousarray(down @ maps @ across.T)

    @property
    def _same(self) -> bool:
        return self._view == self._first

    @property
    def _resampling(self) -> tuple[Float, Float]:
        old, new = self._first.size_px, self._view.size_px
        return _resampling_weights(old, new, self._down), _resampling_weights(
            old, new, self._across
        )


def _channels(values: Sequence[float]) -> Float:
    return np.asarray(values, np.float32)[:, None, None]


@lru_cache(maxsize=32)
def _resampling_weights(old: int, new: int, span: tuple[float, float]) -> Float:
    """Return the weights `(new, old)` of bilinear, antialiased resizing of a span, as Pillow's."""
    start, step = span[0] * old, (span[1] - span[0]) * old / new
    centre = start + (np.arange(new)[:, None] + 0.5) * step
    distance = np.abs(np.arange(old) + 0.5 - centre) / max(step, 1.0)
    weights = np.maximum(0.0, 1.0 - distance)
    scaled: Float = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return scaled


@lru_cache(maxsize=32)
def _placement_weights(old: int, new: int, span: tuple[float, float]) -> Float:
    """Return the weights `(new, old)` that lay cells of a span over the whole, 0 beyond it."""
    place = ((np.arange(new) + 0.5) / new - span[0]) / (span[1] - span[0])
    inside = (place >= 0) & (place <= 1)
    weights = [np.interp(place * old - 0.5, range(old), unit) * inside for unit in np.eye(old)]
    return np.stack(weights, axis=1).astype(np.float32)

"""Masks of a face from its landmarks: four kinds of hull, deformed and softened.

Landmarks are 79 points: the usual 68 (jaw, brows, nose, eyes, mouth, each from the picture's left
to its right) and eleven along the forehead, from the left temple to the right one. `face_shape`
makes them of five where no more are known.

Source: Shiohara and Yamasaki, "Detecting Deepfakes with Self-Blended Images", CVPR 2022 (kinds of
hull, deformation, the two blurs with the shrink between, the blend ratios).
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from scipy.spatial import ConvexHull, QhullError

Points = NDArray[np.float64]
Weights = NDArray[np.float32]
Hull = Literal["face", "forehead", "parts", "random"]

POINTS = 79
JAW, BROWS, NOSE = slice(0, 17), slice(17, 27), slice(27, 36)
EYES, MOUTH, FOREHEAD = slice(36, 48), slice(48, 68), slice(68, 79)

BLEND_RATIOS = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)
"""Weights of the blended face, each as often."""

COARSE_STRIDE = 8
"""Pixels of a crop to a cell of a coarse mask."""
_MASK_PX = 128
"""Masks are made at this side and enlarged: they are soft anyway."""
_PARTS: tuple[tuple[int, ...], ...] = (
    (*range(36, 42), *range(17, 22)),  # left eye and brow
    (*range(42, 48), *range(22, 27)),
    tuple(range(27, 36)),
    tuple(range(48, 68)),
    (*range(4, 13), *range(48, 55)),  # chin with the mouth's upper edge
    (0, 1, 2, 3, 4, 48, 31, 27, 36),  # left cheek
    (16, 15, 14, 13, 12, 54, 35, 27, 45),
)
_PART_SHARES = np.array((0.6, 0.6, 0.6, 0.8, 0.4, 0.3, 0.3))
_FEWEST_RANDOM = 12
_LEAST_CORE = 0.3
"""Share of a mask that must be left when it is shrunk."""


def hull_mask(
    points: Points, side_px: int, rng: np.random.Generator, *, kind: Hull | None = None
) -> Weights:
    """Draw a hull of the face: deformed, shrunk or grown, softened, at a blend ratio.

    Args:
        points: `(79, 2)` landmarks, pixels of a square crop.
        side_px: its side.
        rng: source of randomness.
        kind: which hull; None draws one.

    Returns:
        float32 `(side_px, side_px)` in [0, 1].
    """
    kind = kind or get_args(Hull)[rng.choice(4, p=(0.3, 0.3, 0.2, 0.2))]
    polygons = outlines(points * (_MASK_PX / side_px), kind, rng)
    soft = soften(deform(_fill(polygons), rng), rng) * np.float32(rng.choice(BLEND_RATIOS))
    return _enlarge(soft, side_px)


def soft_hull(points: Points, side_px: int, rng: np.random.Generator) -> Weights:
    """Return the convex hull of points, softened like `hull_mask`, at full weight.

    Args:
        points: `(N, 2)`, pixels of a square crop.
        side_px: its side.
        rng: source of randomness.
    """
    filled = _fill([_convex(points * (_MASK_PX / side_px))])
    return _enlarge(soften(filled, rng), side_px)


def outlines(points: Points, kind: Hull, rng: np.random.Generator) -> list[Points]:
    """Return the polygons of a hull.

    Args:
        points: `(79, 2)` landmarks.
        kind: `face` (jaw to brows), `forehead` (jaw to hairline), `parts` (some of eyes, nose,
            mouth, chin and cheeks), `random` (convex hull of some of the landmarks).
        rng: source of randomness.
    """
    if kind == "face":
        return [_convex(points[:68])]
    if kind == "forehead":
        return [_convex(points)]
    if kind == "parts":
        taken = rng.random(len(_PARTS)) < _PART_SHARES
        taken[rng.integers(len(_PARTS))] = True
        return [_convex(points[list(p)]) for p, t in zip(_PARTS, taken, strict=True) if t]
    count = int(rng.integers(_FEWEST_RANDOM, POINTS))
    return [_convex(points[rng.choice(POINTS, count, replace=False)])]


def _convex(points: Points) -> Points:
    try:
        return points[ConvexHull(points).vertices]
    except QhullError:  # all on a line
        return points


def _fill(polygons: list[Points]) -> Weights:
    canvas = Image.new("L", (_MASK_PX, _MASK_PX))
    draw = ImageDraw.Draw(canvas)
    for polygon in polygons:
        draw.polygon([(float(x), float(y)) for x, y in polygon], fill=255)
    return np.asarray(canvas, dtype=np.float32) / np.float32(255)


def deform(mask: Weights, rng: np.random.Generator) -> Weights:
    """Bend a mask by a smooth random field of displacements.

    Args:
        mask: `(S, S)`.
        rng: source of randomness.
    """
    side = len(mask)
    nodes = int(rng.integers(4, 9))
    strength = rng.uniform(0.2, 1.0) * 0.04 * side
    rows, columns = (
        np.asarray(
            Image.fromarray(rng.normal(0, strength, (nodes, nodes)).astype(np.float32)).resize(
                (side, side), Image.Resampling.BICUBIC
            )
        )
        for _ in range(2)
    )
    grid = np.arange(side, dtype=np.float32)
    y = np.rint(grid[:, None] + rows).clip(0, side - 1).astype(np.intp)
    x = np.rint(grid[None, :] + columns).clip(0, side - 1).astype(np.intp)
    return mask[y, x]


def soften(mask: Weights, rng: np.random.Generator) -> Weights:
    """Blur a mask, keep the core that the blur left whole or nearly so, and blur that again.

    Args:
        mask: `(S, S)`.
        rng: source of randomness.
    """
    side = len(mask)
    first = _blur(mask, rng.uniform(0.004, 0.03) * side)
    # mostly shrunk, as the paper does; at times grown, so that the seam may lie outside the face
    core = (first > rng.choice((0.98, 0.8, 0.5, 0.2), p=(0.4, 0.2, 0.2, 0.2))).astype(np.float32)
    if core.sum() < _LEAST_CORE * max(1.0, float(mask.sum())):
        core = mask  # a part so small that the shrink left nothing: no fake may equal its real
    return _blur(core, rng.uniform(0.003, 0.035) * side)


def _blur(mask: Weights, radius: float) -> Weights:
    image = Image.fromarray((mask * 255).astype(np.uint8))
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), dtype=np.float32)
    return soft / np.float32(255)


def _enlarge(mask: Weights, side_px: int) -> Weights:
    whole = Image.fromarray(mask).resize((side_px, side_px), Image.Resampling.BILINEAR)
    return np.asarray(whole)


def coarse_mask(mask: Weights | float, size_px: int) -> Weights:
    """Return the mask of a crop on a coarse grid, the mean of each cell.

    Args:
        mask: `(S, S)` in [0, 1], at any size; or one value for the whole crop, NaN if not known.
        size_px: side of the crop.

    Returns:
        `(cells, cells)`, a cell for each `COARSE_STRIDE` pixels.
    """
    cells = max(1, size_px // COARSE_STRIDE)
    if isinstance(mask, float):
        return np.full((cells, cells), mask, dtype=np.float32)
    return np.asarray(Image.fromarray(mask).resize((cells, cells), Image.Resampling.BOX))

"""Self-blended fakes: a real face blended into a changed copy of itself.

The blend leaves the traces that face swaps share (a boundary, two colour statistics, two
sharpnesses) and no trace of one particular generator, so that a detector trained on it carries over
to unseen methods.

Source: Shiohara and Yamasaki, "Detecting Deepfakes with Self-Blended Images", CVPR 2022. The
landmark hull of the paper is replaced by a random star-shaped region around the face centre, since
the crops come without dense landmarks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from unmask.training.augment import recolour, rescale

Weights = NDArray[np.float32]

_BLEND_RATIOS = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)

# centre x, centre y, radius x, radius y in shares of the crop side: whole face, lower face, eyes
_REGIONS = ((0.5, 0.54, 0.34, 0.42), (0.5, 0.74, 0.25, 0.2), (0.5, 0.4, 0.36, 0.17))
_REGION_SHARES = (0.65, 0.23, 0.12)


def blend_mask(side_px: int, rng: np.random.Generator) -> Weights:
    """Draw a soft, irregular region of the face.

    Args:
        side_px: side of the square crop.
        rng: source of randomness.

    Returns:
        float32 `(side_px, side_px)` in [0, 1].
    """
    centre_x, centre_y, radius_x, radius_y = _REGIONS[rng.choice(len(_REGIONS), p=_REGION_SHARES)]
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    wobble = np.ones_like(angles)
    for harmonic in (1, 2, 3, 4):
        phase, size = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.11 / harmonic)
        wobble += size * np.cos(harmonic * angles + phase)
    scale = rng.uniform(0.8, 1.12)
    shift = rng.normal(0, 0.02, size=2)
    x = (centre_x + shift[0] + scale * radius_x * wobble * np.cos(angles)) * side_px
    y = (centre_y + shift[1] + scale * radius_y * wobble * np.sin(angles)) * side_px
    canvas = Image.new("L", (side_px, side_px))
    ImageDraw.Draw(canvas).polygon(list(zip(x.tolist(), y.tolist(), strict=True)), fill=255)
    soft = canvas.filter(ImageFilter.GaussianBlur(rng.uniform(0.004, 0.06) * side_px))
    mask = np.asarray(soft, dtype=np.float32) / 255.0
    return mask * np.float32(rng.choice(_BLEND_RATIOS))


def _restyle(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Change colour and either sharpness or resolution: the second half of a blend's two styles."""
    shift = rng.integers(-14, 15, size=3)
    shifted = np.asarray(image, dtype=np.int16) + shift.astype(np.int16)
    image = Image.fromarray(shifted.clip(0, 255).astype(np.uint8))
    image = recolour(image, rng, 0.15)
    if rng.random() < 0.5:
        return rescale(image, rng, smallest=0.3)
    return ImageEnhance.Sharpness(image).enhance(rng.uniform(1.3, 3.0))


def _displace(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Move and scale by a few per cent, so that the blended face does not fit its surroundings."""
    side = image.width
    scale = rng.uniform(0.95, 1.05)
    offset = rng.uniform(-0.03, 0.03, size=2) * side + (1 - scale) * side / 2
    return image.transform(
        image.size,
        Image.Transform.AFFINE,
        (scale, 0, offset[0], 0, scale, offset[1]),
        Image.Resampling.BILINEAR,
    )


def self_blend(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return a fake made from one real, square face crop.

    Args:
        image: RGB crop, face centred.
        rng: source of randomness.
    """
    restyled = _restyle(image, rng)
    source, target = (restyled, image) if rng.random() < 0.5 else (image, restyled)
    mask = blend_mask(image.width, rng)[:, :, None]
    moved = np.asarray(_displace(source, rng), dtype=np.float32)
    base = np.asarray(target, dtype=np.float32)
    blended = base + mask * (moved - base)
    return Image.fromarray(blended.round().clip(0, 255).astype(np.uint8))

"""Self-blended fakes: a real face blended into a changed copy of itself.

The blend leaves the traces that face swaps share (a boundary, two colour statistics, two
sharpnesses) and no trace of one particular generator, so that a detector trained on it carries over
to unseen methods.

Source: Shiohara and Yamasaki, "Detecting Deepfakes with Self-Blended Images", CVPR 2022. The
landmark hull of the paper is replaced by outlines of the face and of its parts where an upright
face crop has them, strongly deformed, since the crops come without dense landmarks. Unlike the
paper's, the real of a pair is the picture that was blended into, restyled or not, so that nothing
but the blend tells the two apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from unmask.training.augment import recolour, rescale

Weights = NDArray[np.float32]

_MASK_STEP = 2
"""Masks are drawn with so many pixels of the crop to one of theirs: they are soft anyway."""
_LEAST_MASK_PX = 48
"""Side that they are drawn on at least, or the crop's own: coarser ones would reach the corners."""

_BLEND_RATIOS = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)

_COARSE = 48
"""Pixels on a side when frames are compared; finer than that compression differs."""
_SAME_FRAME_LEVELS = 6.0
"""Grey levels by which crops of one frame differ around the face at most, by compression and by
what reaches beyond the face."""
_LEAST_CHANGE = 4.0
"""Mean grey levels that a part of a fake must differ by inside its mask."""

# centre x, centre y, half width, height above and below the centre, in shares of the crop's side;
# then how often the region is taken
_REGIONS = (
    (0.5, 0.52, 0.36, 0.30, 0.44, 0.42),  # brows to chin, cheek to cheek
    (0.5, 0.50, 0.38, 0.46, 0.46, 0.12),  # with the forehead
    (0.5, 0.74, 0.27, 0.22, 0.22, 0.14),  # nose to chin
    (0.5, 0.77, 0.18, 0.09, 0.10, 0.18),  # mouth
    (0.5, 0.40, 0.36, 0.13, 0.12, 0.08),  # eyes and brows
    (0.5, 0.55, 0.13, 0.20, 0.12, 0.06),  # nose
)
_SHARES = np.array([region[-1] for region in _REGIONS])


def blend_mask(side_px: int, rng: np.random.Generator) -> Weights:
    """Draw the face or a part of it: deformed, eroded or grown, softened, at a blend ratio.

    Args:
        side_px: side of the square crop.
        rng: source of randomness.

    Returns:
        float32 `(side_px, side_px)` in [0, 1].
    """
    x, y = _outline(rng)
    side = max(side_px // _MASK_STEP, min(side_px, _LEAST_MASK_PX))
    canvas = Image.new("L", (side, side))
    points = list(zip((x * side).tolist(), (y * side).tolist(), strict=True))
    ImageDraw.Draw(canvas).polygon(points, fill=255)
    blurred = canvas.filter(ImageFilter.GaussianBlur(rng.uniform(0.004, 0.03) * side))
    level = rng.uniform(40, 245)  # above 128 the region shrinks, below it grows
    resized = blurred.point([255 * (value > level) for value in range(256)])
    soft = resized.filter(ImageFilter.GaussianBlur(rng.uniform(0.004, 0.05) * side))
    whole = soft.resize((side_px, side_px), Image.Resampling.BILINEAR)
    mask = np.asarray(whole, dtype=np.float32) / 255.0
    return mask * np.float32(rng.choice(_BLEND_RATIOS))


def _outline(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return x and y, `(48,)` in shares of the crop's side, of a deformed region's outline."""
    chosen = _REGIONS[rng.choice(len(_REGIONS), p=_SHARES)]
    centre_x, centre_y, half_width, above, below, _ = chosen
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    wobble = np.ones_like(angles)
    for harmonic in (1, 2, 3, 4, 5):
        phase, size = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.1 / harmonic)
        wobble += size * np.cos(harmonic * angles + phase)
    wobble *= rng.uniform(0.85, 1.12)
    shift = rng.normal(0, 0.02, size=2)
    height = np.where(np.sin(angles) < 0, above, below)
    # a superellipse: a jaw is squarer than an ellipse
    power = rng.uniform(0.7, 1.0)
    across, down = (np.sign(v) * np.abs(v) ** power for v in (np.cos(angles), np.sin(angles)))
    x = centre_x + shift[0] + half_width * wobble * across
    y = centre_y + shift[1] + height * wobble * down
    return x, y


def _restyle(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Change colour and sharpness, each from hardly to clearly."""
    strength = rng.uniform(0, 1)
    shift = np.round(strength * rng.uniform(-20, 20, size=3))
    shifted = np.asarray(image, dtype=np.float32) + shift.astype(np.float32)
    image = Image.fromarray(shifted.clip(0, 255).astype(np.uint8))
    image = recolour(image, rng, 0.2 * strength)
    kind = rng.random()
    if kind < 0.5:
        return rescale(image, rng, smallest=0.25)
    if kind < 0.65:
        return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.6)))
    return ImageEnhance.Sharpness(image).enhance(rng.uniform(1.3, 3.0))


def _displace(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Move and scale by a few per cent, so that the blended face does not fit its surroundings."""
    side = image.width
    border = side // 8
    scale = rng.uniform(0.95, 1.05, size=2)
    offset = rng.uniform(-0.03, 0.03, size=2) * side + (1 - scale) * side / 2 + border
    # mirrored beyond its edges: nothing black may come in
    widths = ((border, border), (border, border), (0, 0))
    wide = Image.fromarray(np.pad(np.asarray(image), widths, mode="reflect"))
    return wide.transform(
        image.size,
        Image.Transform.AFFINE,
        (scale[0], 0, offset[0], 0, scale[1], offset[1]),
        Image.Resampling.BILINEAR,
    )


def self_blend(image: Image.Image, rng: np.random.Generator) -> tuple[Image.Image, Image.Image]:
    """Return a real and the fake made from it; they differ where the fake was blended in.

    Args:
        image: RGB crop of a real face, square, face centred.
        rng: source of randomness.
    """
    restyled = _restyle(image, rng)
    source, target = (restyled, image) if rng.random() < 0.5 else (image, restyled)
    mask = blend_mask(image.width, rng)[:, :, None]
    moved = np.asarray(_displace(source, rng), dtype=np.float32)
    base = np.asarray(target, dtype=np.float32)
    return target, _image(base + mask * (moved - base))


def same_frame(fake: Image.Image, real: Image.Image) -> bool:
    """Return whether a fake was made from just this frame: around the face they are equal.

    Args:
        fake: a square crop.
        real: a crop of the footage that was forged.
    """
    if fake.size != real.size or min(fake.size) < _COARSE:
        return False
    step = fake.width // _COARSE
    coarse = [np.asarray(image.reduce(step), dtype=np.int16) for image in (fake, real)]
    difference = np.abs(coarse[0] - coarse[1])
    strip = len(difference) // 12
    around = (difference[:strip], difference[:, :strip], difference[:, -strip:])
    return float(np.mean([part.mean() for part in around])) < _SAME_FRAME_LEVELS


def part_of_fake(fake: Image.Image, real: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return the real frame with a part of the face taken from the fake.

    The part is a mask of `blend_mask`. Where it would change next to nothing the whole fake is
    returned, since the result is called fake.

    Args:
        fake: RGB crop of a forged face, square, face centred.
        real: the same frame before it was forged.
        rng: source of randomness.
    """
    mask = blend_mask(real.width, rng)[:, :, None]
    base = np.asarray(real, dtype=np.float32)
    change = mask * (np.asarray(fake, dtype=np.float32) - base)
    if np.abs(change).mean() <= _LEAST_CHANGE * mask.mean():  # equal where the mask is empty
        return fake
    return _image(base + change)


def _image(pixels: NDArray[np.float32]) -> Image.Image:
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))

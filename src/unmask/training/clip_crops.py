"""Crops as clips: what a network over time learns from and is measured on.

The crops of each face track become clips by the rule of a scan (`bundle.clips`). A clip stands in
the table as its first crop, whose label, footage and video are the clip's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.bundle.clips import clip_positions
from unmask.bundle.manifest import Clip
from unmask.core.errors import RecipeError
from unmask.training.crop_table import Crops


@dataclass(frozen=True, eq=False)
class ClipCrops(Crops):
    """Clips of crops; as `Crops` its keys are those of the first crop of each."""

    frames: tuple[tuple[int, ...], ...]
    """Of each clip, the positions of its crops in `single`."""
    single: Crops
    """The crops."""

    def take(self, chosen: NDArray[np.bool_]) -> ClipCrops:
        """Return the clips for which `chosen` `(N,)` holds."""
        kept = [each for each, wanted in zip(self.frames, chosen, strict=True) if wanted]
        return _clips(self.single, kept)

    def pixels(
        self, index: int, change: Callable[[Sequence[Image.Image]], Sequence[Image.Image]]
    ) -> NDArray[np.uint8]:
        """Return a clip after a change of its frames, `(T, S, S, 3)` RGB."""
        frames = change([self.single.picture(position) for position in self.frames[index]])
        return np.stack([np.asarray(frame) for frame in frames])


def as_clips(crops: Crops, clip: Clip | None) -> Crops:
    """Return crops as the clips that a network judges; None leaves them single.

    Raises:
        RecipeError: no track has crops enough.
    """
    if clip is None:
        return crops
    tracks: dict[tuple[str, int], list[int]] = defaultdict(list)
    for position, key in enumerate(crops.keys):
        tracks[key.video, key.crop.track or 0].append(position)
    clips: list[tuple[int, ...]] = []
    for positions in tracks.values():
        ordered = np.array(sorted(positions, key=lambda p: crops.columns.frame[p]))
        chosen = ordered[clip_positions(len(ordered), clip)]
        clips += [tuple(int(p) for p in row) for row in chosen]
    if not clips and len(crops):
        raise RecipeError(
            f"no face track has {clip.min_frames} crops, the fewest that make a clip",
            hint="cut more with `unmask data crops --max-key-frames`, or lower "
            "network.clip.min_frames",
        )
    return _clips(crops, sorted(clips))


def _clips(single: Crops, frames: Sequence[tuple[int, ...]]) -> ClipCrops:
    firsts = np.array([clip[0] for clip in frames], dtype=np.int64)
    return ClipCrops(single.origins, single.columns.take(firsts), tuple(frames), single)

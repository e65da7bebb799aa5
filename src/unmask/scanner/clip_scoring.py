"""From the key frames of one track to clips and their logits, for a detector over time.

Frames that cannot be judged are left out first, so that the rest of the track makes the clips. The
scan, `predict` and `--stress` all score through here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.clips import Positions, clip_positions, stack_clip
from unmask.bundle.framing import Batch, Crops
from unmask.bundle.manifest import BundleManifest, Clip
from unmask.bundle.runtime import Network, Output
from unmask.core.scan_record import KeyFrame
from unmask.scanner.scoring import assess_key_frame


@dataclass(frozen=True, eq=False)
class ScoredClip:
    """One clip of a track, scored."""

    number: int
    """In its track, from 1."""
    positions: Positions
    """`(T,)` of its crops among those given, ascending; the last may be repeated."""
    crops: Batch
    """What the network saw, for each view `(1, T, S, S, 3)`."""
    output: Output
    """What the detector says of it."""

    @property
    def logit(self) -> float:
        """Logit of P(fake)."""
        return float(self.output.logits[0])


def score_clips(
    network: Network,
    faces: Sequence[Crops],
    manifest: BundleManifest,
    *,
    usable: NDArray[np.bool_],
    evidence: bool = False,
) -> Iterator[ScoredClip]:
    """Score the clips of a track, one after the other.

    Args:
        network: of a detector over time.
        faces: its crops in order of time, for each view.
        manifest: the detector's.
        usable: `(N,)` which of them may be judged.
        evidence: whether feature maps and their gradients are wanted too.
    """
    if manifest.clip is None:
        raise ValueError(f"the detector {manifest.name!r} judges no clips")
    for number, positions in enumerate(place_clips(usable, manifest.clip), start=1):
        crops = stack_clip(faces, positions)
        yield ScoredClip(number, positions, crops, network.run(crops, evidence=evidence))


def place_clips(usable: NDArray[np.bool_], clip: Clip) -> Positions:
    """Return which crops of a track make up each clip, `(clips, frames)`.

    Args:
        usable: `(N,)` which of them may be judged.
        clip: what the detector judges.
    """
    places = np.flatnonzero(usable)
    return places[clip_positions(len(places), clip)]


def assess_track(
    keys: Sequence[KeyFrame], faces: Sequence[Crops], manifest: BundleManifest
) -> list[KeyFrame]:
    """Return key frames with their sharpness and why each cannot be used, if so."""
    return [
        key if key.unusable is not None else assess_key_frame(key, face[0], manifest.judgeable)
        for key, face in zip(keys, faces, strict=True)
    ]


def fit_for_clips(keys: Sequence[KeyFrame]) -> NDArray[np.bool_]:
    """Return which key frames may be part of a clip, `(N,)`."""
    return np.array([key.unusable is None for key in keys], dtype=np.bool_)


def score_track(
    network: Network, keys: Sequence[KeyFrame], faces: Sequence[Crops], manifest: BundleManifest
) -> list[KeyFrame]:
    """Return the key frames of a track, each with the logit of the clip that it is part of.

    Args:
        network: of a detector over time.
        keys: in order of time.
        faces: their crops, for each view.
        manifest: the detector's.
    """
    scored = assess_track(keys, faces, manifest)
    for clip in score_clips(network, faces, manifest, usable=fit_for_clips(scored)):
        for position in clip.positions:
            scored[position] = replace(scored[position], logit=clip.logit, clip=clip.number)
    return scored

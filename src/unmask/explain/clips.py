"""Explaining a detector over time: one frame of a clip at a time, and which frames mattered.

All methods explain pictures. `FrameOfClip` makes a picture's network of a clip's: it puts pictures
in the place of one frame, and the others stay as they are. So a map shows what moved the clip's
logit in that frame. `frame_effects` compares the frames: each is covered in turn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.explain.differentiable import Differentiable, Evidence, Float

Places = NDArray[np.int64]


@dataclass(frozen=True)
class FrameEffect:
    """What one frame does to the logit of its clip; no proof of anything in it."""

    logit_change: float
    """How far the logit falls when the frame is covered with grey; below zero where it rises."""
    gradient_norm: float | None
    """Norm of the logit's gradient at the frame; None of a network without it."""


class FrameOfClip:
    """A network of clips as one of pictures, which take the place of one frame.

    Args:
        model: gives logits of clips `(N, T, 3, S, S)`.
        clip: `(T, 3, S, S)` normalised.
        places: where in the clip the frame is; more than one place where it is repeated.
    """

    def __init__(self, model: Differentiable, clip: Float, places: Places) -> None:
        self._model, self._clip, self._places = model, clip, places

    def logits(self, images: Float) -> Float:
        """Return logits `(N,)` of the clip with each picture `(N, 3, S, S)` in its place."""
        return self._model.logits(self._clips(images))

    def evidence(self, images: Float) -> Evidence:
        """Return logits, and the frame's feature map with its gradient."""
        return self.evidence_from(self._model.evidence(self._clips(images)))

    def evidence_from(self, evidence: Evidence) -> Evidence:
        """Return what the scoring of clips says of the frame.

        Of a repeated frame the feature maps stand behind one another, and attention is the mean.
        """
        if evidence.features is None or evidence.gradients is None:
            return Evidence(evidence.logits)
        features, gradients = (
            np.concatenate([each[:, place] for place in self._places], axis=1)
            for each in (evidence.features, evidence.gradients)
        )
        attention, rollout = (
            None if each is None else np.asarray(each[:, self._places].mean(axis=1))
            for each in (evidence.attention, evidence.rollout)
        )
        return Evidence(evidence.logits, features, gradients, attention, rollout)

    def input_gradients(self, images: Float) -> Float:
        """Return d logit / d picture, `(N, 3, S, S)`."""
        at_clips = self._model.input_gradients(self._clips(images))
        return np.asarray(at_clips[:, self._places].sum(axis=1))

    def _clips(self, images: Float) -> Float:
        clips = np.repeat(self._clip[None], len(images), axis=0)
        clips[:, self._places] = images[:, None]
        return clips


def frame_effects(
    model: Differentiable, clip: Float, frames: NDArray[np.int64], logit: float, *, gradients: bool
) -> dict[int, FrameEffect]:
    """Return what each frame of a clip does to its logit.

    Args:
        model: gives logits of clips `(N, T, 3, S, S)`.
        clip: `(T, 3, S, S)` normalised, so that 0 is grey: the mean of the training pictures.
        frames: `(T,)` which frame is at each place; one that is repeated has several.
        logit: of the clip.
        gradients: whether the model has a gradient at its input.
    """
    names = np.unique(frames)
    covered = np.repeat(clip[None], len(names), axis=0)
    for copy, name in zip(covered, names, strict=True):
        copy[frames == name] = 0.0
    falls = logit - model.logits(covered).astype(np.float64)
    at_clip = model.input_gradients(clip[None])[0] if gradients else None
    return {
        int(name): FrameEffect(
            float(fall),
            None if at_clip is None else float(np.linalg.norm(at_clip[frames == name].sum(axis=0))),
        )
        for name, fall in zip(names, falls, strict=True)
    }

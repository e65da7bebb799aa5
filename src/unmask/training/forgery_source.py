"""Forgeries from the crops of a table: which frame's mouth, which window, which picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.training.crop_table import Crops
from unmask.training.face_windows import face_window, plain_window, read_landmarks
from unmask.training.forgeries import FacePicture, Forgery, Pair, blend, misfit, mouth, render
from unmask.training.recipe import FORGERIES

BLEND_SCALE = 1.25
"""Forgeries are made larger than the network sees them, as a forger's are."""


_LARGEST_MISFIT = 0.06
"""Between the poses of two frames, see `forgeries.misfit`, for one to take the other's mouth."""


class ForgeryMaker:
    """Makes pairs of a real window and a forgery from wide crops.

    Args:
        crops: those with a face box and landmarks can be forged.
        shares: how often each kind of `FORGERIES` is drawn, with a sum of 1.
        margin_ratio: side of a window over the face box.
    """

    def __init__(self, crops: Crops, *, shares: tuple[float, ...], margin_ratio: float) -> None:
        self._crops, self._shares, self._margin = crops, shares, margin_ratio
        self._films = frames_by_video(crops)

    def forged(
        self, index: int, rng: np.random.Generator, size: int, *, kind: Forgery | None = None
    ) -> Pair:
        """Return a real crop and a fake made from it, before any degradation.

        Args:
            index: a real crop with landmarks.
            rng: source of randomness.
            size: side of the network's input.
            kind: of the forgery; None draws one by the shares of the recipe.
        """
        kind = kind or FORGERIES[rng.choice(len(FORGERIES), p=self._shares)]
        state = rng.bit_generator.state
        face = self._window(index, self._crops.picture(index), rng, size)
        if kind == "blend":
            return blend(face, rng)
        after = rng.bit_generator.state
        rng.bit_generator.state = state  # the rendered face is cut in the same window
        again = self._crops.rendered(index)
        rendered = None if again is None else self._window(index, again, rng, size).image
        rng.bit_generator.state = after
        if kind == "rendered":
            return render(face, rng, rendered=rendered)
        return mouth(face, rng, other=self._other_frame(index, rng, size), rendered=rendered)

    def _other_frame(self, index: int, rng: np.random.Generator, size: int) -> FacePicture | None:
        """Return another frame of a crop's film, two times of three where one has the same pose."""
        this = self._crops.keys[index]
        frames = self._films[this.video]
        other = int(rng.choice(frames))
        if other == index or rng.random() < 1 / 3:
            return None
        key = self._crops.keys[other]
        if key.landmarks is None or key.face_box is None or this.landmarks is None:
            return None
        if misfit(read_landmarks(this.landmarks), read_landmarks(key.landmarks)) > _LARGEST_MISFIT:
            return None  # a mouth seen from elsewhere is pasted by no tool
        return plain_window(
            self._crops.picture(other),
            key.face_box,
            read_landmarks(key.landmarks),
            margin_ratio=self._margin,
            largest_px=round(BLEND_SCALE * size),
        )

    def _window(
        self, index: int, image: Image.Image, rng: np.random.Generator, size: int
    ) -> FacePicture:
        key = self._crops.keys[index]
        return face_window(
            image,
            key.face_box or (),
            read_landmarks(key.landmarks or ()),
            rng,
            margin_ratio=self._margin,
            largest_px=round(BLEND_SCALE * size),
        )


def frames_by_video(crops: Crops) -> dict[str, NDArray[np.int64]]:
    """Return the positions of the real crops of each video."""
    reals = np.flatnonzero(~crops.is_fake)
    if not len(reals):
        return {}
    videos, of_crop = crops.columns.video.take(~crops.is_fake).sorted_codes()
    ends = np.bincount(of_crop).cumsum()
    pieces = np.split(reals[np.argsort(of_crop, kind="stable")], ends[:-1])
    return dict(zip(videos, pieces, strict=True))

"""Parts of frames that may become key frames, kept while a film is read, so that it is read once.

A selector that takes its frames from a grid (`keyframes.FORESEEABLE`) tells of each frame of a
growing track whether it can still be chosen. Of such frames the part around the face is kept, of a
track at most three times as many as are chosen, and all of them within a budget of bytes: memory
does not grow with the film. What is chosen and was not kept is decoded again (`passes`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from unmask.core.face import Box
from unmask.faces.face_signal import search_square
from unmask.faces.open_track import OpenTrack
from unmask.scanner.keyframes import FORESEEABLE, grid_step, spread_on_grid
from unmask.video import FramePart, FullFrame, LumaFrame

MOST_HELD_BYTES = 48 * 2**20
"""Memory of whole frames that wait until it is known where the faces are in them."""
REDUCED_SIDE_PX = 640
"""Longer side of the whole frames that are kept, at least."""
MOST_REDUCED_BYTES = 64 * 2**20
"""Memory of those."""
MOST_KEPT_BYTES = 64 * 2**20
"""Memory of the parts that are kept."""


@dataclass(eq=False)
class _Share:
    """What is kept for one track, of its clear frames, or of all while none is clear."""

    clear: bool = False
    count: int = 0
    """Frames of the track that a selector could take."""
    step: int = 1
    latest: int = -1
    """Number of the frame that was last added to the track."""
    parts: dict[int, tuple[int, FramePart]] = field(default_factory=dict)
    """By place among the frames that count: index of the frame, and its part."""

    @property
    def size_bytes(self) -> int:
        return sum(part.size_bytes for _, part in self.parts.values())


class Candidates:
    """Keeps what may be chosen; the watcher of a `Tracker`.

    Args:
        selector: a key of `keyframes.FORESEEABLE`.
        budget: frames that will be chosen of a track.
    """

    def __init__(self, selector: str, *, budget: int) -> None:
        self._counts: Callable[[bool], bool] = FORESEEABLE[selector]
        self._budget = budget
        self._held: dict[int, FullFrame] = {}
        self._seen_at: dict[int, tuple[int, bool]] = {}
        self._seen = 0
        self._shares: dict[OpenTrack, _Share] = {}
        self._finished: list[_Share] = []
        self._reduced: dict[int, FramePart] = {}

    def __repr__(self) -> str:
        """Show the counts."""
        shares = [*self._shares.values(), *self._finished]
        return f"Candidates({sum(len(each.parts) for each in shares)} parts)"

    def offer(self, frame: LumaFrame) -> None:
        """Take a frame that the tracker is about to see."""
        if frame.full is None:
            return
        self._seen_at[frame.index] = (self._seen, frame.codec_key)
        self._held[frame.index] = frame.full
        self._seen += 1

    def let_go(self, latest: int, oldest: int | None) -> None:
        """Let go of frames after the tracker has seen the latest one.

        Args:
            latest: index of that frame.
            oldest: index of the earliest one that the tracker may still add to a track.
        """
        for index in [i for i in self._seen_at if oldest is None or i < oldest]:
            del self._seen_at[index]
            self._held.pop(index, None)
        if latest not in self._held:
            return
        in_all = sum(full.size_bytes for full in self._held.values())
        if in_all > MOST_HELD_BYTES or not self._may_be_asked_for(*self._seen_at[latest]):
            del self._held[latest]

    def _may_be_asked_for(self, number: int, codec_key: bool) -> bool:
        """Tell whether a frame will be on the grid of a track, should that go on undisturbed."""
        if not self._counts(codec_key):
            return False
        if not self._counts(False):
            return bool(self._shares)  # nobody knows how many count until then
        places = [(each.count + number - each.latest - 1, each) for each in self._shares.values()]
        return any(place % each.step == 0 for place, each in places)

    def placed(self, track: OpenTrack, scale: float) -> None:
        """Keep a part of the frame that was added to a track, if it can be chosen."""
        share = self._shares.setdefault(track, _Share())
        index, clear = track.indices[-1], track.clear[-1]
        if index not in self._seen_at:
            return
        share.latest, codec_key = self._seen_at[index]
        if clear and not share.clear:
            share.clear, share.count, share.step, share.parts = True, 0, 1, {}
        if clear != share.clear or not self._counts(codec_key):
            return
        place = share.count
        share.count += 1
        share.step = grid_step(share.count, self._budget)
        share.parts = {p: kept for p, kept in share.parts.items() if p % share.step == 0}
        if place % share.step == 0 and index in self._held:
            self._keep(share, place, index, _box(track, scale))

    def _keep(self, share: _Share, place: int, index: int, box: Box) -> None:
        part = self._held[index].part(search_square(box))
        if part is None:
            return
        share.parts[place] = (index, part)
        shares = [*self._shares.values(), *self._finished]
        self._keep_reduced(index, {at for each in shares for at, _ in each.parts.values()})
        while sum(each.size_bytes for each in shares) > MOST_KEPT_BYTES:
            # the shortest track is the likeliest not to be judged
            least = min((s for s in shares if s.parts), key=lambda s: s.count)
            least.parts = {}

    def _keep_reduced(self, index: int, numbers: set[int]) -> None:
        """Keep the whole frame small, for people to look at, and only where a part is kept."""
        if index not in self._reduced:
            small = self._held[index].reduced(REDUCED_SIDE_PX)
            if small is not None:
                self._reduced[index] = small
        self._reduced = {at: kept for at, kept in self._reduced.items() if at in numbers}
        while sum(each.size_bytes for each in self._reduced.values()) > MOST_REDUCED_BYTES:
            del self._reduced[next(iter(self._reduced))]  # the scan goes on without that still

    def reduced(self, index: int) -> NDArray[np.uint8] | None:
        """Return a frame of which a part was kept, reduced, `(h, w, 3)` RGB; None if it is not."""
        small = self._reduced.get(index)
        return None if small is None else small.pixels()

    def ended(self, track: OpenTrack) -> None:
        """Keep of a finished track only what will be chosen."""
        share = self._shares.pop(track, None)
        if share is None or not share.parts:
            return
        chosen = spread_on_grid(np.arange(share.count), self._budget).tolist()
        share.parts = {place: kept for place, kept in share.parts.items() if place in chosen}
        self._finished.append(share)

    def find(self, index: int, box: Box) -> FramePart | None:
        """Return the part of a frame that holds all that is searched for a face in a box."""
        square = search_square(box)
        for share in self._finished:
            for at, part in share.parts.values():
                if at == index and part.covers(square):
                    return part
        return None


def _box(track: OpenTrack, scale: float) -> Box:
    x0, y0, x1, y1 = (float(v) for v in track.geometry[-1][:4] / np.float32(scale))
    return x0, y0, x1, y1

"""Films as a detector sees them: scores of every frame, from which any choice of frames is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from unmask.core.errors import ManifestError
from unmask.studies.cells import Cell, Factor
from unmask.studies.films import Film
from unmask.studies.frame_crops import chosen_rows, frames_cell
from unmask.studies.resampling import Scored
from unmask.studies.scorers import scored_cell
from unmask.studies.study import Measurements
from unmask.studies.study_context import StudyContext

Values = NDArray[np.float64]
PAPER = "local-maxima"
"""The paper's way to choose frames."""
FILMS_ONLY = "Other videos: these are the figures of this set, and few videos give wide intervals."
_TOP = 3


def _mean(logits: Values) -> float:
    return float(logits.mean())


def _max(logits: Values) -> float:
    return float(logits.max())


def _top(logits: Values) -> float:
    return float(np.sort(logits)[-_TOP:].mean())


POOLINGS: dict[str, Callable[[Values], float]] = {"mean": _mean, "max": _max, "top 3": _top}
"""From the logits of a face's frames to one."""


@dataclass(frozen=True, eq=False)
class View:
    """A film's scored frames."""

    film: Film
    """The film."""
    table: pa.Table
    """A row per face and frame."""

    @cached_property
    def logits(self) -> Values:
        """`(N,)`."""
        return np.asarray(self.table["logit"], dtype=np.float64)

    @cached_property
    def tracks(self) -> NDArray[np.int64]:
        """`(N,)` face of each row."""
        return np.asarray(self.table["track"], dtype=np.int64)

    def rows(
        self, selector: str, budget: int, *, smoothing_frames: int, seed: int = 0
    ) -> NDArray[np.int64]:
        """Return the rows that a selector chooses."""
        return chosen_rows(
            self.table, selector, budget, smoothing_frames=smoothing_frames, seed=seed
        )

    def pooled(self, rows: NDArray[np.int64], pooling: str) -> float:
        """Return the highest face's pooled logit."""
        pool = POOLINGS[pooling]
        tracks = self.tracks[rows]
        return max(pool(self.logits[rows[tracks == track]]) for track in np.unique(tracks))


@dataclass(frozen=True, eq=False)
class Views:
    """Films that were scored, and those in which there was no face."""

    views: tuple[View, ...]
    """Films with a face."""
    faceless: int
    """Films without one."""
    missing: int
    """Films whose cell failed."""
    smoothing_frames: int
    """Window over the difference signal."""
    threshold: float
    """Logit from which the detector calls fake."""

    @property
    def told(self) -> str:
        """How many films there are, in words."""
        fakes = sum(view.film.label == "fake" for view in self.views)
        return (
            f"Judged by {len(self.views) - fakes} real and {fakes} fake videos; {self.faceless} "
            f"without a face and {self.missing} that failed are left out."
        )

    @property
    def limits(self) -> tuple[str, ...]:
        """What these films cannot say."""
        if self.faceless + self.missing == 0:
            return ()
        return (
            f"Anything about the {self.faceless + self.missing} videos without a face or a result.",
        )

    def scored(self, selector: str, budget: int, *, pooling: str = "mean", seed: int = 0) -> Scored:
        """Return a score for each film under a choice of frames."""
        logits = [
            view.pooled(
                view.rows(selector, budget, smoothing_frames=self.smoothing_frames, seed=seed),
                pooling,
            )
            for view in self.views
        ]
        return self.of(logits, seed=seed)

    def of(self, logits: Sequence[float], *, seed: int = 0) -> Scored:
        """Return scores of the films, in their order."""
        return Scored(
            seed=str(seed),
            logit=np.array(logits, dtype=np.float64),
            is_fake=np.array([view.film.label == "fake" for view in self.views], dtype=np.bool_),
            cluster=np.array([view.film.target for view in self.views], dtype=object),
            threshold=self.threshold,
        )


def scored_films(context: StudyContext, films: Sequence[Film], **factors: Factor) -> list[Cell]:
    """Return the cells that cut and score films: for each film its frames, then their scores."""
    cells = []
    for film in films:
        text: dict[str, Factor] = {"film": film.id, **factors}
        frames = frames_cell({**text, "step": "cut"}, film, context.scorer.cutting)
        scored = scored_cell({**text, "step": "score"}, frames, context.scorer, context.cache)
        cells += [frames, scored]
    return cells


def collect_views(
    context: StudyContext, measurements: Measurements, films: Sequence[Film] | None = None
) -> Views:
    """Return the scored films among the cells.

    Raises:
        ManifestError: there are none of one label.
    """
    tables = {cell.factors["film"]: m.table for cell, m in measurements.where(step="score")}
    judged = context.films.films.judged() if films is None else films
    done = [film for film in judged if film.id in tables]
    views = tuple(View(f, tables[f.id]) for f in done if len(tables[f.id]))
    if {view.film.label for view in views} != {"real", "fake"}:
        raise ManifestError(
            "not answered: real and fake videos with a face are needed",
            hint="see the table of cells for the reasons",
        )
    return Views(
        views,
        faceless=len(done) - len(views),
        missing=len(judged) - len(done),
        smoothing_frames=context.scorer.cutting.scan.smoothing_frames,
        threshold=context.scorer.threshold,
    )

"""The studies by name, in the order of the document: experiments, questions, checks, our own."""

from __future__ import annotations

from difflib import get_close_matches

from unmask.studies.experiments.all_frames import ALL_FRAMES
from unmask.studies.experiments.consistency import EXPLANATION_CONSISTENCY
from unmask.studies.experiments.gradual import GRADUAL_CHANGES
from unmask.studies.experiments.imbalance import CLASS_WEIGHTS, IMBALANCE_METHODS
from unmask.studies.experiments.leak import LEAK
from unmask.studies.experiments.selection import FRAME_SELECTION
from unmask.studies.experiments.severity import IMBALANCE_SEVERITY
from unmask.studies.experiments.spurious import SPURIOUS_CUES
from unmask.studies.experiments.temporal import TEMPORAL_INFORMATION
from unmask.studies.experiments.unseen import UNSEEN_MANIPULATIONS
from unmask.studies.study import Study

EVERY = "all"
"""Stands for every study."""

STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        ALL_FRAMES,
        CLASS_WEIGHTS,
        EXPLANATION_CONSISTENCY,
        IMBALANCE_METHODS,
        FRAME_SELECTION,
        UNSEEN_MANIPULATIONS,
        TEMPORAL_INFORMATION,
        IMBALANCE_SEVERITY,
        LEAK,
        GRADUAL_CHANGES,
        SPURIOUS_CUES,
    )
}
"""Every study."""


def find_studies(name: str) -> list[Study]:
    """Return a study by name, or every one.

    Raises:
        ValueError: there is none of that name.
    """
    if name == EVERY:
        return list(STUDIES.values())
    if name not in STUDIES:
        near = get_close_matches(name, STUDIES, n=1, cutoff=0.5)
        meant = f"did you mean {near[0]}? " if near else ""
        raise ValueError(f"no study {name!r}; {meant}there are: {', '.join(STUDIES)}, all")
    return [STUDIES[name]]

"""The studies by name, in the order of the document: experiments, questions, checks, our own."""

from __future__ import annotations

from difflib import get_close_matches

from unmask.studies.all_frames import ALL_FRAMES
from unmask.studies.consistency import EXPLANATION_CONSISTENCY
from unmask.studies.gradual import GRADUAL_CHANGES
from unmask.studies.imbalance import CLASS_WEIGHTS, IMBALANCE_METHODS
from unmask.studies.leak import LEAK
from unmask.studies.selection import FRAME_SELECTION
from unmask.studies.severity import IMBALANCE_SEVERITY
from unmask.studies.spurious import SPURIOUS_CUES
from unmask.studies.study import Study
from unmask.studies.temporal import TEMPORAL_INFORMATION
from unmask.studies.unseen import UNSEEN_MANIPULATIONS

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


def studies_named(name: str) -> list[Study]:
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

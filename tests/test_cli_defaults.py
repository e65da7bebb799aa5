"""An option that sets what the library has a default for has the same default."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature

import pytest

from unmask.cli import app, evaluating, explaining, stressing
from unmask.cli.data import cropping, splitting
from unmask.datasets.audit import audit
from unmask.datasets.extraction import CropSettings
from unmask.datasets.splits import SplitSettings, split
from unmask.evaluation.calibrating import calibrated
from unmask.evaluation.distorting import StressSettings
from unmask.evaluation.results import EvaluationSettings
from unmask.settings import ScanSettings


def numbers_and_names(of: Callable[..., object]) -> dict[str, object]:
    """Return the defaults that a command and the library write alike."""
    defaults = {name: each.default for name, each in signature(of).parameters.items()}
    return {n: value for n, value in defaults.items() if isinstance(value, int | float | str)}


@pytest.mark.parametrize(
    ("command", "library", "least"),
    [
        (app.scan, ScanSettings, 8),
        (app.keyframes, ScanSettings, 6),
        (explaining.explain, ScanSettings, 2),
        (cropping.crops, ScanSettings, 5),
        (cropping.crops, CropSettings, 3),
        (splitting.split, SplitSettings, 3),
        (splitting.split, split, 3),
        (splitting.audit, audit, 2),
        (stressing.stress, StressSettings, 4),
        (evaluating.evaluate, EvaluationSettings, 6),
        (evaluating.compare, EvaluationSettings, 6),
        (evaluating.calibrate, calibrated, 5),
    ],
)
def test_an_option_has_the_librarys_default(
    command: Callable[..., object], library: Callable[..., object], least: int
) -> None:
    options, defaults = numbers_and_names(command), numbers_and_names(library)
    shared = options.keys() & defaults.keys()
    assert len(shared) >= least
    assert {name: options[name] for name in shared} == {name: defaults[name] for name in shared}

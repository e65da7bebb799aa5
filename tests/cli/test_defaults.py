"""An option that sets what the library has a default for has the same default."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature

import pytest

from unmask.cli import calibrate, compare, evaluate, explain, keyframes, scan, stress
from unmask.cli.data import audit as data_audit
from unmask.cli.data import crops
from unmask.cli.data import split as splitting
from unmask.core.settings import ScanSettings
from unmask.crops.extraction import CropSettings
from unmask.datasets.audit import audit
from unmask.datasets.splits import SplitSettings, split
from unmask.evaluation.calibration import calibrate_bundle
from unmask.evaluation.distorted_scores import StressSettings
from unmask.evaluation.results import EvaluationSettings


def numbers_and_names(of: Callable[..., object]) -> dict[str, object]:
    """Return the defaults that a command and the library write alike."""
    defaults = {name: each.default for name, each in signature(of).parameters.items()}
    return {n: value for n, value in defaults.items() if isinstance(value, int | float | str)}


@pytest.mark.parametrize(
    ("command", "library", "least"),
    [
        (scan.scan, ScanSettings, 8),
        (keyframes.keyframes, ScanSettings, 6),
        (explain.explain, ScanSettings, 2),
        (crops.crops, ScanSettings, 5),
        (crops.crops, CropSettings, 3),
        (splitting.split, SplitSettings, 3),
        (splitting.split, split, 3),
        (data_audit.audit, audit, 2),
        (stress.stress, StressSettings, 4),
        (evaluate.evaluate, EvaluationSettings, 6),
        (compare.compare, EvaluationSettings, 6),
        (calibrate.calibrate, calibrate_bundle, 5),
    ],
)
def test_an_option_has_the_librarys_default(
    command: Callable[..., object], library: Callable[..., object], least: int
) -> None:
    options, defaults = numbers_and_names(command), numbers_and_names(library)
    shared = options.keys() & defaults.keys()
    assert len(shared) >= least
    assert {name: options[name] for name in shared} == {name: defaults[name] for name in shared}

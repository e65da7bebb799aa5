"""Toy data sets, each made once in a run of the tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from unmask.datasets.synth import SYNTH


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that makes the toy data set of a layout, each once; not to be changed."""
    paths: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in paths:
            root = tmp_path_factory.mktemp(name)
            SYNTH[name](root, 0)
            paths[name] = root
        return paths[name]

    return make

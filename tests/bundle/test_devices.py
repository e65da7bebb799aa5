"""Which providers are tried, and what is said where a GPU is missing."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from bundles import write_bundle
from unmask.bundle.detector import Detector
from unmask.bundle.devices import CPU, CUDA, check_providers, choose_providers
from unmask.core.errors import UnmaskError


def test_a_gpu_is_tried_before_the_processor_where_there_is_one() -> None:
    assert choose_providers("auto", [CUDA, CPU]) == [CUDA, CPU]
    assert choose_providers("cuda", [CUDA, CPU]) == [CUDA, CPU]
    assert choose_providers("cpu", [CUDA, CPU]) == [CPU]


def test_without_a_gpu_auto_is_silent_and_cuda_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert choose_providers("auto", [CPU]) == [CPU]
    with pytest.raises(UnmaskError, match="ONNX Runtime here has CPUExecutionProvider") as caught:
        choose_providers("cuda", [CPU])
    assert "onnxruntime-gpu" in caught.value.hint
    bundle = write_bundle(tmp_path / "b")
    assert Detector(bundle, device="auto").network.views
    assert not caplog.records


def test_a_gpu_that_cannot_be_used_is_told_or_refused(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        check_providers("auto", [CUDA, CPU], [CPU])
    assert "could not use the GPU" in caplog.text
    with pytest.raises(UnmaskError, match="could not use the GPU"):
        check_providers("cuda", [CUDA, CPU], [CPU])
    check_providers("cuda", [CUDA, CPU], [CUDA, CPU])

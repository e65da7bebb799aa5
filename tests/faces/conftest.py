"""Pictures and detectors that several test modules of the `faces` room share."""

import os
from pathlib import Path

import pytest

from unmask.faces.detector import DETECTORS, create


@pytest.fixture(scope="session")
def astronaut():
    return pytest.importorskip("skimage.data").astronaut()


@pytest.fixture(scope="session")
def yunet_model():
    pytest.importorskip("cv2")
    if "UNMASK_TEST_DATA" not in os.environ:
        pytest.skip("UNMASK_TEST_DATA is not set")
    model = Path(os.environ["UNMASK_TEST_DATA"]) / "models" / "face_detection_yunet.onnx"
    if not model.is_file():
        pytest.skip(f"no model at {model}")
    return model


@pytest.fixture(scope="session", params=sorted(DETECTORS))
def any_detector(request):
    model = request.getfixturevalue("yunet_model") if request.param == "yunet" else None
    return create(request.param, model_path=model)

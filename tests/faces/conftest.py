"""Pictures and detectors that several test modules of the `faces` room share."""

import pytest

from unmask.faces.detector import DETECTORS, create


@pytest.fixture(scope="session")
def astronaut():
    return pytest.importorskip("skimage.data").astronaut()


@pytest.fixture(scope="session", params=sorted(DETECTORS))
def any_detector(request):
    return create(request.param)

"""What an ONNX file of a bundle may not hold, and that what is exported passes."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundles import _field, _node, onnx_model, write_bundle
from unmask.bundle.detector import Detector
from unmask.bundle.manifest import load_bundle, shipped_folder
from unmask.bundle.onnx_check import MAX_FIELDS, check_network
from unmask.core.errors import BundleError


def tensor_elsewhere(*, location: bool) -> bytes:
    """Return an initialiser whose values lie in a file beside the bundle."""
    place = _field(1, b"location") + _field(2, b"weights.bin")
    shape = _field(1, 1) + _field(2, 1) + _field(8, b"more")
    return shape + (_field(14, 1) if location else _field(13, place))


def in_domain(domain: bytes) -> bytes:
    return _field(1, _node("Evil", ["image"], ["evil"]) + _field(7, domain))


def with_subgraph(inner: bytes) -> bytes:
    """Return a node that holds a graph in an attribute."""
    attribute = _field(1, b"then_branch") + _field(6, inner) + _field(20, 5)
    return _field(1, _node("If", ["yes"], ["out"]) + _field(5, attribute))


def nested(levels: int) -> bytes:
    inner = b""
    for _ in range(levels):
        inner = with_subgraph(inner)
    return inner


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (_field(5, tensor_elsewhere(location=False)), "weights in another file"),
        (_field(5, tensor_elsewhere(location=True)), "weights in another file"),
        (_field(15, _field(1, tensor_elsewhere(location=False))), "weights in another file"),
        (with_subgraph(_field(5, tensor_elsewhere(location=False))), "weights in another file"),
        (in_domain(b"com.evil"), r"operator 'Evil' of 'com\.evil'"),
        (in_domain(b"\x1b[31m\xe2\x80\xae"), r"of '\\x1b\[31m\\u202e'"),
        (_field(1, _node("RandomNormal", [], ["dice"])), "draws at random"),
        (_field(1, _node("Dropout", ["image", "ratio", "yes"], ["dice"])), "draws at random"),
        (with_subgraph(_field(1, _node("Bernoulli", ["image"], ["d"]))), "draws at random"),
        (_field(1, _node("Loop", ["image"], ["endless"])), "perhaps without end"),
        (nested(200), "beyond all measure"),
        (b"\x0b", "cannot be run"),
        (_field(1, b"\xff" * 12), "cannot be run"),
    ],
)
def test_a_file_that_does_more_than_compute_is_refused(
    tmp_path: Path, more: bytes, said: str
) -> None:
    with pytest.raises(BundleError, match=said) as caught:
        write_bundle(tmp_path / "tiny", model=onnx_model(more=[more]))
    assert caught.value.hint


def test_operators_of_its_own_are_refused() -> None:
    with pytest.raises(BundleError, match="operators of its own"):
        check_network(onnx_model() + _field(25, _field(1, b"Mine")), name="model.onnx")


def test_a_file_of_countless_parts_is_refused_in_short_time() -> None:
    with pytest.raises(BundleError, match=f"more than {MAX_FIELDS} parts"):
        check_network(_field(7, _field(2, b"") * (MAX_FIELDS + 1)), name="model.onnx")


def test_the_shipped_detector_passes() -> None:
    files = sorted(load_bundle(shipped_folder()).folder.glob("*.onnx"))
    assert len(files) == 2
    for path in files:  # it is not done again when a user loads them
        check_network(path.read_bytes(), name=path.name)


def test_weights_beside_the_bundle_never_change_a_verdict(tmp_path: Path) -> None:
    """The attack: the same hash, and two files of weights to choose from."""
    model = onnx_model(more=[_field(5, tensor_elsewhere(location=False))])
    for weights in (b"\0\0\0\0", b"\0\0\x80\x3f"):
        (tmp_path / "weights.bin").write_bytes(weights)
        with pytest.raises(BundleError, match="no hash stands for"):
            Detector.from_pretrained(write_bundle(tmp_path / weights.hex(), model=model).folder)

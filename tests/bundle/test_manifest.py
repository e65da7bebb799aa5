"""What a detector bundle must be to be opened."""

import json

import pytest

from bundles import manifest, write_bundle
from unmask.bundle.manifest import MANIFEST, load_bundle, write_manifest
from unmask.core.errors import BundleError
from unmask.system.files import file_sha256


@pytest.fixture
def folder(tmp_path):
    return write_bundle(tmp_path / "tiny").folder


def rewrite(folder, **changes):
    """Change the manifest as JSON, without the checks of its writer."""
    path = folder / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_bundle_loads_as_it_was_written(folder):
    bundle = load_bundle(str(folder))
    assert bundle.manifest == manifest(files={"model.onnx": file_sha256(folder / "model.onnx")})
    assert bundle.sha256 == file_sha256(folder / MANIFEST)
    assert [view.model for view in bundle.views] == ["model.onnx"]


def test_one_changed_bit_of_the_model_is_noticed(folder):
    data = bytearray((folder / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "model.onnx").write_bytes(data)
    with pytest.raises(BundleError, match="was changed"):
        load_bundle(folder)


def test_a_missing_model_is_refused(folder):
    (folder / "model.onnx").unlink()
    with pytest.raises(BundleError, match=r"model\.onnx is missing"):
        load_bundle(folder)


def test_a_folder_without_manifest_is_no_bundle(tmp_path):
    with pytest.raises(BundleError, match=r"detector\.json is missing"):
        load_bundle(tmp_path)


def test_a_field_that_is_not_known_is_refused(folder):
    rewrite(folder, pickle="weights.pt")
    with pytest.raises(BundleError, match="pickle: Extra inputs"):
        load_bundle(folder)


def test_another_version_is_refused_with_the_one_that_is_read(folder):
    rewrite(folder, bundle_version="2")
    with pytest.raises(BundleError, match="bundle_version") as caught:
        load_bundle(folder)
    assert "version 1" in caught.value.hint


def test_a_manifest_that_is_no_json_is_refused(folder):
    (folder / MANIFEST).write_bytes(b"\x80\x04pickle")
    with pytest.raises(BundleError, match="the file: Invalid JSON"):
        load_bundle(folder)


def test_a_huge_manifest_is_refused_unread(folder):
    (folder / MANIFEST).write_bytes(b" " * (2**20 + 1))
    with pytest.raises(BundleError, match="larger than 1 MiB"):
        load_bundle(folder)


@pytest.mark.parametrize("value", ["NaN", "Infinity"])
def test_a_calibration_that_is_no_number_is_refused(folder, value):
    text = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(text.replace('"slope": 1.5', f'"slope": {value}'))
    with pytest.raises(BundleError, match=r"calibration\.slope"):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        ("preprocessing", "std", [0.2, 0.0, 0.2]),
        ("preprocessing", "size_px", 8),
        ("judgeable", "min_key_frames", 0),
    ],
)
def test_a_value_that_cannot_be_computed_with_is_refused(folder, section, field, value):
    known = manifest().model_dump(mode="json")[section]
    rewrite(folder, **{section: known | {field: value}})
    with pytest.raises(BundleError, match=rf"{section}\.{field}"):
        load_bundle(folder)


@pytest.mark.parametrize("name", ["../secret.bin", "sub/other.bin", "/etc/hostname", "."])
def test_a_name_that_leaves_the_folder_is_refused(folder, name):
    (folder.parent / "secret.bin").write_bytes(b"secret")
    digest = file_sha256(folder.parent / "secret.bin")
    rewrite(folder, files={"model.onnx": file_sha256(folder / "model.onnx"), name: digest})
    with pytest.raises(BundleError, match="no plain file name"):
        load_bundle(folder)


def test_dots_for_the_folder_above_are_refused(folder):
    rewrite(folder, files={"model.onnx": file_sha256(folder / "model.onnx"), "..": "0" * 64})
    with pytest.raises(BundleError, match=r"is missing|no plain file name"):
        load_bundle(folder)


def test_a_link_to_the_right_bytes_is_refused(folder):
    elsewhere = (folder / "model.onnx").rename(folder.parent / "elsewhere.onnx")
    (folder / "model.onnx").symlink_to(elsewhere)
    with pytest.raises(BundleError, match="no plain file name"):
        load_bundle(folder)


def test_a_bundle_names_its_model(folder):
    rewrite(folder, files={})
    with pytest.raises(BundleError, match=r"names no model\.onnx"):
        load_bundle(folder)


@pytest.mark.parametrize("missing", ["balanced", "few-false-alarms"])
def test_both_operating_points_must_be_there(folder, missing):
    points = [p for p in manifest().operating_points if p.name != missing]
    rewrite(folder, operating_points=[p.model_dump() for p in points])
    with pytest.raises(BundleError, match=f"no operating point '{missing}'") as caught:
        load_bundle(folder)
    assert points[0].name in caught.value.hint


def test_a_written_manifest_reads_back_equal(folder):
    first = load_bundle(folder).manifest
    write_manifest(folder, first)
    assert load_bundle(folder).manifest == first

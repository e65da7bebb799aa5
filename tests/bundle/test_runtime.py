"""What goes into the network and what comes out, on a model with a closed form."""

import tracemalloc

import numpy as np
import pytest

from bundles import MEAN, OUTPUTS, POOL, SIZE, STD, WEIGHTS, onnx_model, write_bundle
from unmask.bundle.runtime import Network, ViewNetwork, preprocess
from unmask.core.errors import BundleError


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(scope="module")
def network(bundle):
    return ViewNetwork(bundle, bundle.views[0], threads=1)


@pytest.fixture(scope="module")
def crops():
    return np.random.default_rng(1).integers(0, 256, (7, SIZE, SIZE, 3), dtype=np.uint8)


def test_preprocessing_scales_shifts_divides_and_puts_channels_first(bundle, crops):
    value = preprocess(crops, bundle.manifest.preprocessing)
    expected = np.empty((len(crops), 3, SIZE, SIZE))
    for channel in range(3):
        expected[:, channel] = (crops[..., channel] / 255 - MEAN[channel]) / STD[channel]
    np.testing.assert_allclose(value, expected, atol=1e-5)
    assert value.dtype == np.float32
    assert value.flags.c_contiguous


def test_preprocessing_leaves_the_crops_as_they_were(bundle, crops):
    before = crops.copy()
    preprocess(crops, bundle.manifest.preprocessing)
    np.testing.assert_array_equal(crops, before)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ((SIZE, SIZE, 3), np.uint8),
        ((1, SIZE, SIZE + 1, 3), np.uint8),
        ((1, 3, SIZE, SIZE), np.uint8),
        ((1, SIZE, SIZE, 3), np.float32),
    ],
)
def test_crops_of_another_shape_or_type_are_refused(bundle, shape, kind):
    with pytest.raises(ValueError, match="crops must be"):
        preprocess(np.zeros(shape, kind), bundle.manifest.preprocessing)


def test_outputs_equal_the_closed_form(bundle, network, crops):
    output = network.run(crops, evidence=True)
    side = SIZE // POOL
    images = preprocess(crops, bundle.manifest.preprocessing).astype(np.float64)
    features = images.reshape(-1, 3, side, POOL, side, POOL).mean(axis=(3, 5))
    np.testing.assert_allclose(output.features, features, atol=1e-5)
    np.testing.assert_allclose(output.logits, features.mean(axis=(2, 3)) @ WEIGHTS, atol=1e-5)
    expected = np.broadcast_to(np.reshape(WEIGHTS, (3, 1, 1)) / side**2, features.shape)
    np.testing.assert_allclose(output.gradients, expected, atol=1e-7)


def test_a_network_for_logits_alone_gives_the_same_logits_and_nothing_else(bundle, network, crops):
    bare = ViewNetwork(bundle, bundle.views[0], threads=1, logits_only=True)
    output = bare.run(crops, evidence=True)
    np.testing.assert_allclose(output.logits, network.run(crops).logits, atol=1e-6)
    assert (output.features, output.gradients) == (None, None)


@pytest.mark.parametrize("batch", [1, 3, 7, 100])
def test_batches_of_any_size_give_what_one_by_one_gives(network, crops, batch):
    together = network.run(crops, evidence=True, batch=batch)
    for number in range(len(crops)):
        alone = network.run(crops[number : number + 1], evidence=True)
        np.testing.assert_allclose(together.logits[number], alone.logits[0], atol=1e-6)
        np.testing.assert_allclose(together.features[number], alone.features[0], atol=1e-6)
        np.testing.assert_allclose(together.gradients[number], alone.gradients[0], atol=1e-6)


def test_no_more_crops_are_preprocessed_than_one_batch_holds(network, crops):
    many = np.repeat(crops, 200, axis=0)
    tracemalloc.start()
    network.run(many)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < many.nbytes / 2  # as float32 they take four times their bytes


def test_evidence_comes_only_when_asked_for(network, crops):
    output = network.run(crops)
    assert output.logits.shape == (len(crops),)
    assert output.features is None
    assert output.gradients is None


def test_no_crops_give_no_logits(network):
    assert network.run(np.empty((0, SIZE, SIZE, 3), np.uint8)).logits.shape == (0,)


@pytest.mark.parametrize("wrong", range(3))
def test_a_model_with_other_output_names_is_refused(tmp_path, wrong):
    names = ["other" if place == wrong else name for place, name in enumerate(OUTPUTS)]
    bundle = write_bundle(tmp_path / "tiny", model=onnx_model(outputs=names))
    with pytest.raises(BundleError, match="the contract is"):
        Network(bundle)


def test_a_model_of_another_size_is_refused(tmp_path):
    bundle = write_bundle(tmp_path / "tiny", model=onnx_model(size=2 * SIZE))
    with pytest.raises(BundleError, match=rf"takes \[3, 32, 32\].*contract is \[3, {SIZE}"):
        Network(bundle)


def test_a_model_without_an_input_is_refused(tmp_path):
    bundle = write_bundle(tmp_path / "tiny", model=onnx_model(takes_image=False))
    with pytest.raises(BundleError, match="the contract is"):
        Network(bundle)


@pytest.mark.parametrize("model", [b"", b"not an ONNX file", onnx_model()[:-20]])
def test_a_file_that_is_no_model_is_refused(tmp_path, model):
    with pytest.raises(BundleError, match="cannot be run"):
        Network(write_bundle(tmp_path / "tiny", model=model))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("evidence", [False, True])
def test_logits_that_are_no_numbers_are_refused(tmp_path, crops, value, evidence):
    weight = np.array([WEIGHTS[0] / (SIZE / POOL) ** 2], "<f4").tobytes()
    broken = onnx_model().replace(weight, np.array([value], "<f4").tobytes())
    network = Network(write_bundle(tmp_path / "tiny", model=broken), threads=1)
    with pytest.raises(BundleError, match="a logit of values that are no numbers"):
        network.run((crops,), evidence=evidence)


def test_what_is_run_is_what_was_hashed(tmp_path):
    bundle = write_bundle(tmp_path / "tiny")
    other = np.array([9.0], "<f4").tobytes()
    weight = np.array([WEIGHTS[0] / (SIZE / POOL) ** 2], "<f4").tobytes()
    (bundle.folder / "model.onnx").write_bytes(onnx_model().replace(weight, other))
    with pytest.raises(BundleError, match="was changed"):
        Network(bundle)


def test_a_network_is_not_held_as_a_file_too(network):
    held = [each for each in vars(network._session).values() if isinstance(each, bytes)]
    assert held == []

"""Weights of an ONNX file are found and shuffled, here in the detector that is shipped."""

import numpy as np
import pytest

from unmask.bundle.manifest import load_bundle, shipped_folder
from unmask.core.errors import BundleError
from unmask.explain import BundleNetwork
from unmask.explain.onnx_weights import content_key, read_weights, shuffle_by_key
from unmask.explain.randomisation import DEPTHS, cascade, chosen_keys


@pytest.fixture(scope="module")
def bundle():
    return load_bundle(shipped_folder())


@pytest.fixture(scope="module")
def data(bundle):
    return (bundle.folder / bundle.views[-1].model).read_bytes()


@pytest.fixture(scope="module")
def images(bundle):
    size = bundle.manifest.preprocessing.size_px
    return np.random.default_rng(0).normal(size=(1, 3, size, size)).astype(np.float32)


def test_nearly_all_of_the_file_is_found_as_weights(data):
    result = read_weights(data)
    assert sum(weight.stop - weight.start for weight in result) > 0.9 * len(data)
    assert all(np.isfinite(weight.values(data)).all() for weight in result)


def test_values_are_kept_and_moved(data):
    keys = {content_key(weight.values(data)) for weight in read_weights(data)}
    changed = shuffle_by_key(data, keys, seed=1)
    assert len(changed) == len(data)
    for weight in read_weights(data):
        before, after = weight.values(data), weight.values(changed)
        np.testing.assert_array_equal(np.unique(before), np.unique(after))
        assert (before != after).mean() > 0.9


def test_where_a_weight_stands_does_not_change_what_it_becomes(data):
    weight = max(read_weights(data), key=lambda w: w.stop - w.start)
    turned = bytearray(data)
    turned[weight.start : weight.stop] = weight.values(data)[::-1].astype(weight.dtype).tobytes()
    key = {content_key(weight.values(data))}
    straight, back = shuffle_by_key(data, key, seed=1), shuffle_by_key(bytes(turned), key, seed=1)
    np.testing.assert_array_equal(weight.values(straight), weight.values(back)[::-1])


def test_only_the_named_weights_are_touched(data):
    first, *others = read_weights(data)
    changed = shuffle_by_key(data, {content_key(first.values(data))}, seed=1)
    assert not np.array_equal(first.values(data), first.values(changed))
    assert all(np.array_equal(w.values(data), w.values(changed)) for w in others)


def test_the_cascade_starts_at_the_output_and_leaves_the_logits_derivative_true(bundle, images):
    trained = BundleNetwork(bundle, threads=1).evidence(images)
    depths = []
    for depth, network in cascade(bundle, threads=1):
        depths.append(depth)
        shuffled = network.evidence(images)
        assert shuffled.logits[0] != trained.logits[0]
        assert np.array_equal(shuffled.gradients, trained.gradients) is False
        if depth == DEPTHS[0]:
            first = shuffled.features
    assert tuple(depths) == DEPTHS
    assert not np.array_equal(first, shuffled.features)


def test_weights_that_only_one_file_has_are_shuffled_to_the_same_depth():
    shared = ["out", "b", "a", "in"]
    own = ["out", "folded-b", "folded-a", "in"]
    assert chosen_keys(shared, shared, 0.5) == {"out", "b"}
    assert chosen_keys(own, shared, 0.5) == {"out", "b", "folded-b"}
    assert chosen_keys(own, shared, 1.0) >= set(own)


def test_a_file_that_is_cut_off_is_refused(data):
    with pytest.raises(BundleError, match=r"cut off|no float32 or float16 weights"):
        read_weights(data[:50])


def test_a_network_without_float32_weights_is_refused():
    with pytest.raises(BundleError, match="no float32 or 16-bit weights"):
        read_weights(b"")

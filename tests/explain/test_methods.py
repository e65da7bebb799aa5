"""What must hold of every method."""

import numpy as np
import pytest

from unmask.explain import EXPLAINERS, TITLES, explain
from unmask.explain.occlusion import STEPS
from unmask.explain.scorecam import highest_variance

every_method = pytest.mark.parametrize("method", EXPLAINERS)


@every_method
def test_maps_are_float32_in_the_unit_range_and_of_the_pictures_size(method, network, images):
    maps = explain(network, images, [method])[method]
    assert (maps.scaled.shape, maps.scaled.dtype) == ((3, 32, 32), np.float32)
    assert maps.scaled.min() >= 0
    assert maps.scaled.max() == pytest.approx(1.0, abs=0.3)
    assert maps.empty == (None, None, None)


@every_method
def test_a_picture_has_the_same_map_alone_and_in_a_batch(method, network, images):
    together = explain(network, images, [method])[method]
    for n in range(len(images)):
        alone = explain(network, images[n : n + 1], [method])[method]
        np.testing.assert_allclose(together.scaled[n], alone.scaled[0], atol=1e-6)


@every_method
def test_the_same_seed_gives_the_same_map(method, network, images):
    first, second = (explain(network, images, [method], seed=4)[method].raw for _ in range(2))
    np.testing.assert_array_equal(first, second)


@every_method
def test_a_network_that_looks_nowhere_gives_an_empty_map(method, images):
    class Blind:
        def logits(self, images):
            return np.zeros(len(images), np.float32)

        def evidence(self, images):
            from unmask.explain import Evidence

            features = np.zeros((len(images), 4, 8, 8), np.float32)
            nothing = features[:, 0]
            return Evidence(self.logits(images), features, features, nothing, nothing)

        def input_gradients(self, images):
            return np.zeros_like(images)

    maps = explain(Blind(), images, [method])[method]
    assert maps.empty == ("nothing in this picture raises the score",) * 3
    assert not maps.scaled.any()


@every_method
def test_a_value_that_is_not_finite_empties_the_map_of_its_picture_only(method, network, images):
    expected = explain(network, images, [method])[method].scaled
    images[1, 0, 5, 5] = np.nan
    maps = explain(network, images, [method])[method]
    assert maps.empty == (None, "a value is not finite", None)
    assert not maps.scaled[1].any()
    np.testing.assert_allclose(maps.scaled[[0, 2]], expected[[0, 2]], atol=1e-6)


@every_method
def test_pictures_are_not_changed(method, network, images):
    before = images.copy()
    explain(network, images, [method])
    np.testing.assert_array_equal(images, before)


def test_every_method_has_a_title():
    assert set(TITLES) == set(EXPLAINERS)


def test_an_unknown_method_is_refused_with_the_known_ones(network, images):
    with pytest.raises(ValueError, match="no method of explaining 'lime'; there are: gradcam, "):
        explain(network, images, ["lime"])


def test_a_method_named_twice_is_made_once(network, images):
    assert list(explain(network, images, ["gradcam", "gradcam"])) == ["gradcam"]


def test_gradient_methods_take_no_pass_beyond_the_evidence(network, images):
    evidence = network.evidence(images)
    scored = network.scored
    explain(network, images, ["gradcam", "gradcam++"], evidence=evidence)
    assert network.scored == scored


def test_the_cost_of_perturbing_is_as_stated(network, images):
    evidence = network.evidence(images)
    for method, passes in (("faster-scorecam", 3), ("occlusion", STEPS**2)):
        scored = network.scored
        explain(network, images, [method], evidence=evidence)
        assert network.scored - scored == len(images) * passes


def test_occlusion_is_strongest_where_covering_hurts_most():
    class Corner:
        def logits(self, images):
            return images[:, :, :8, :8].sum(axis=(1, 2, 3))

        def evidence(self, images):
            from unmask.explain import Evidence

            empty = np.zeros((len(images), 1, 4, 4), np.float32)
            return Evidence(self.logits(images), empty, empty)

        def input_gradients(self, images):
            raise AssertionError("occlusion asks for no gradient")

    maps = explain(Corner(), np.ones((1, 3, 32, 32), np.float32), ["occlusion"])["occlusion"]
    assert np.unravel_index(maps.scaled[0].argmax(), (32, 32)) < (8, 8)
    assert maps.raw[0, 0, 0] == pytest.approx(3 * 64)
    assert maps.raw[0, -1, -1] == 0


def test_channels_are_chosen_by_variance():
    features = np.stack([np.zeros((4, 4)), np.eye(4) * 3, np.full((4, 4), 9.0), np.eye(4)])
    assert list(highest_variance(features.astype(np.float32), 2)) == [1, 3]

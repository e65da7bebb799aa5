"""Measures the maps of a detector crop by crop: are they any good?

    crops -> maps, baselines -> deletion, insertion, stability, agreement, masks, shuffled weights

Each figure is a row's, for one crop and one method; `summary` puts them together with intervals
over source videos. The baselines go through the same figures as if they were methods.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from unmask.explain import baselines
from unmask.explain.agreement import spearman, ssim, top_overlap
from unmask.explain.clips import FrameOfClip
from unmask.explain.differentiable import Differentiable, Float
from unmask.explain.faithfulness import curves, sensitivity
from unmask.explain.localisation import MANIPULATED, localise
from unmask.explain.methods import explain

SHUFFLED_CROPS = 12
"""Most crops that the maps under shuffled weights are made for."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One crop to check maps on."""

    crop_id: str
    """Its name."""
    video_id: str
    """Source video: what intervals are drawn over."""
    label: str | None
    """`real` or `fake`; None where it is not known."""
    pixels: NDArray[np.uint8]
    """`(S, S, 3)` RGB, as the network sees it."""
    mask: NDArray[np.uint8] | None
    """`(S, S)`, 255 is manipulated."""
    clip: NDArray[np.uint8] | None = None
    """`(T, S, S, 3)` the clip that it is a frame of, where the network judges clips: the other
    frames stay as they are."""
    places: tuple[int, ...] = ()
    """Where in the clip it is; more than one place where it is repeated."""


@dataclass(frozen=True)
class MapRow:
    """The figures of one map."""

    crop_id: str
    """The crop."""
    video_id: str
    """Its source video."""
    label: str | None
    """`real` or `fake`."""
    method: str
    """Method, or baseline."""
    logit: float
    """Of the crop as it is."""
    empty: str | None
    """Why the map is all zero; None where it is not."""
    deletion_auc: float | None
    """Mean P(fake) while the strongest places are covered; lower is better."""
    insertion_auc: float | None
    """Mean P(fake) while they are brought back; higher is better."""
    deletion: tuple[float, ...]
    """P(fake) after each of `faithfulness.STEPS` parts; () for an empty map."""
    insertion: tuple[float, ...]
    """Likewise."""
    sensitivity: float | None
    """Largest relative change of the map under small noise; None for baselines."""
    energy: float | None
    """Share of the map inside the mask; None without a mask."""
    pointing: float | None
    """1 where the map's maximum lies inside the mask."""
    overlap: float | None
    """Intersection over union with the mask, at the mask's size."""
    mask_share: float | None
    """Share of the crop that is manipulated."""
    shuffled: tuple[float, ...] = ()
    """Rank correlation with the maps under shuffled weights, by `randomisation.DEPTHS`; 0 where
    such a map is empty; () where it was not measured."""


@dataclass(frozen=True)
class PairRow:
    """How far two methods agree on one crop."""

    crop_id: str
    """The crop."""
    video_id: str
    """Its source video."""
    one: str
    """A method."""
    other: str
    """Another."""
    spearman: float
    """Rank correlation."""
    ssim: float
    """Structural similarity."""
    overlap: float
    """Intersection over union of the strongest fifth."""


@dataclass(frozen=True, eq=False)
class Example:
    """A crop with its maps, to look at."""

    sample: Sample
    """The crop."""
    logit: float
    """Its logit."""
    maps: dict[str, Float]
    """Maps `(S, S)` by method; an empty one is all zero."""


@dataclass(frozen=True, eq=False)
class Checked:
    """Everything that was measured."""

    rows: tuple[MapRow, ...]
    """A row for each crop and method."""
    pairs: tuple[PairRow, ...]
    """A row for each crop and pair of methods."""
    examples: tuple[Example, ...]
    """Some crops with their maps."""


@dataclass(frozen=True, eq=False)
class Checker:
    """How maps are measured."""

    model: Differentiable
    """The detector."""
    prepare: Callable[[NDArray[np.uint8]], Float]
    """From crops `(N, S, S, 3)` uint8 to the network's input."""
    methods: tuple[str, ...]
    """Names from `EXPLAINERS`."""
    seed: int = 0
    """Of noise and of the random baseline."""
    examples: int = 8
    """How many crops to keep with their maps."""

    def check(
        self,
        samples: Sequence[Sample],
        *,
        shuffled: Iterable[tuple[float, Differentiable]] = (),
        progress: Callable[[str, float], None] | None = None,
    ) -> Checked:
        """Measure the maps of crops.

        Args:
            samples: crops.
            shuffled: the detector with ever more of its weights shuffled, from `cascade`.
            progress: told the stage and the share of it that is done.
        """
        tell = progress or (lambda _stage, _share: None)
        rows: list[MapRow] = []
        pairs: list[PairRow] = []
        kept: list[Example] = []
        spread = _spread(len(samples), max(self.examples, SHUFFLED_CROPS))
        for number, sample in enumerate(samples):
            example, result = self._measured(sample, number)
            rows += result
            pairs += _pairs(sample, {name: example.maps[name] for name in self.methods})
            kept += [example] if number in spread else []
            tell("maps", (number + 1) / len(samples))
        similar = self._similar(kept[:SHUFFLED_CROPS], shuffled, tell)
        rows = [replace(r, shuffled=tuple(similar.get((r.crop_id, r.method), ()))) for r in rows]
        return Checked(tuple(rows), tuple(pairs), tuple(kept[: self.examples]))

    def _measured(self, sample: Sample, number: int) -> tuple[Example, list[MapRow]]:
        """Return one crop with its maps, and its rows: methods, then baselines."""
        image, model = self.prepare(sample.pixels[None]), self._judge(sample, self.model)
        evidence = model.evidence(image)
        result = explain(model, image, self.methods, seed=self.seed, evidence=evidence)
        size = image.shape[-1]
        maps = {name: each.scaled[0] for name, each in result.items()}
        maps["centre"] = baselines.centre(size)
        maps["random"] = baselines.random(size, seed=self.seed + number)
        reasons = {name: each.empty[0] for name, each in result.items()}
        example = Example(sample, float(evidence.logits[0]), maps)
        rows = [self._row(example, image[0], name, reasons.get(name)) for name in maps]
        return example, rows

    def _row(self, example: Example, image: Float, method: str, empty: str | None) -> MapRow:
        """Measure one map."""
        sample, saliency = example.sample, example.maps[method]
        model = self._judge(sample, self.model)
        curve = None if empty else curves(model, image, saliency)
        stable = None
        if method in self.methods and not empty:
            stable = sensitivity(self._maker(model, method), image, saliency, seed=self.seed)
        place = None if sample.mask is None else localise(saliency, sample.mask)
        return MapRow(
            crop_id=sample.crop_id,
            video_id=sample.video_id,
            label=sample.label,
            method=method,
            logit=example.logit,
            empty=empty,
            deletion_auc=None if curve is None else curve.deletion_auc,
            insertion_auc=None if curve is None else curve.insertion_auc,
            deletion=() if curve is None else tuple(curve.deletion.tolist()),
            insertion=() if curve is None else tuple(curve.insertion.tolist()),
            sensitivity=stable,
            energy=None if place is None else place.energy,
            pointing=None if place is None else place.pointing,
            overlap=None if place is None else place.overlap,
            mask_share=None if sample.mask is None else float((sample.mask >= MANIPULATED).mean()),
        )

    def _judge(self, sample: Sample, network: Differentiable) -> Differentiable:
        """Return what judges a sample: the network, or what it says of a clip with that frame."""
        if sample.clip is None:
            return network
        return FrameOfClip(network, self.prepare(sample.clip[None])[0], np.array(sample.places))

    def _maker(self, model: Differentiable, method: str) -> Callable[[Float], Float]:
        return lambda images: explain(model, images, [method], seed=self.seed)[method].scaled

    def _similar(
        self,
        kept: Sequence[Example],
        shuffled: Iterable[tuple[float, Differentiable]],
        tell: Callable[[str, float], None],
    ) -> dict[tuple[str, str], list[float]]:
        """Return the similarity to maps under shuffled weights by crop and method."""
        similarities: dict[tuple[str, str], list[float]] = defaultdict(list)
        for depth, network in shuffled if kept else ():
            for each in kept:
                image = self.prepare(each.sample.pixels[None])
                model = self._judge(each.sample, network)
                maps = explain(model, image, self.methods, seed=self.seed)
                for name in (name for name in self.methods if each.maps[name].any()):
                    other = spearman(each.maps[name], maps[name].scaled[0])
                    similarities[each.sample.crop_id, name].append(other or 0.0)
            tell("shuffled weights", depth)
        return similarities


def _spread(count: int, size: int) -> set[int]:
    """Return at most `size` places evenly spread over `count`."""
    return set(np.linspace(0, count - 1, min(count, size)).round().astype(int).tolist())


def _pairs(sample: Sample, maps: dict[str, Float]) -> list[PairRow]:
    """Compare the maps of one crop that say something."""
    telling = {name: each for name, each in maps.items() if each.any()}
    rows = []
    for (one, first), (other, second) in combinations(telling.items(), 2):
        correlation = spearman(first, second)
        if correlation is not None:
            similar, shared = ssim(first, second), top_overlap(first, second)
            ids = (sample.crop_id, sample.video_id)
            rows.append(PairRow(*ids, one, other, correlation, similar, shared))
    return rows

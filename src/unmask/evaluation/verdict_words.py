"""Where a verdict's words begin, and how often each is given on sources that were left out.

A source is a data set. Each is left out in turn: the calibration is fitted on the others, and the
one left out is judged by it. So the rates hold for material that the calibration never saw, as far
as the sources at hand show it. Sources and labels weigh alike, whatever their numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.manifest import BundleManifest, MeasuredWordRate, MethodRate, Words
from unmask.core.settings import SUBSTANTIAL_KEY_FRAMES
from unmask.core.verdicts import Word
from unmask.evaluation.aggregation import Units
from unmask.evaluation.calibrators import Fit, fit_platt
from unmask.evaluation.weightings import Values
from unmask.scanner.verdict import limit_to_support, word

SOME_FALSE_ALARMS = 0.10
"""Most genuine videos of sources left out that get `some evidence` or more."""
SUBSTANTIAL_FALSE_ALARMS = 0.03
"""Most of them that get `substantial evidence`."""
LITTLE_MISSES = 0.20
"""Most forged videos of sources left out that get `little evidence`."""
LEAST_OF_A_LABEL = 5
"""Videos of each label that a source must have to be left out."""
_LEAST_GAP = 1e-6
_ROUNDS = 60
_WORDS: tuple[Word, ...] = (
    "little evidence", "inconclusive", "some evidence", "substantial evidence",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Units of several sources, each judged by a calibration that did not see its source."""

    log_odds: Values
    """`(N,)` of each unit."""
    is_fake: NDArray[np.bool_]
    """`(N,)` labels."""
    weight: Values
    """`(N,)`: units of a label of a source add up to 1."""
    method: NDArray[np.object_]
    """`(N,)` way of forging, None for genuine ones."""
    sources: tuple[str, ...]
    """The sources."""
    shifts: tuple[float, ...]
    """What would have to be added to each one's log odds to calibrate it."""

    def share(self, chosen: NDArray[np.bool_], *, fake: bool) -> float:
        """Return the weighted share of one label's units that are among the chosen."""
        of_label = self.is_fake == fake
        return float(self.weight[of_label & chosen].sum() / self.weight[of_label].sum())

    def quantile(self, share: float, *, fake: bool) -> float:
        """Return the log odds below which a weighted share of one label's units lies."""
        of_label = np.flatnonzero(self.is_fake == fake)
        order = of_label[np.argsort(self.log_odds[of_label])]
        reached = np.cumsum(self.weight[order]) / self.weight[order].sum()
        return float(self.log_odds[order[np.searchsorted(reached, share - 1e-12)]])


def hold_out_sources(units: Units) -> HeldOut | None:
    """Judge each source by a calibration fitted on the others; None for fewer than two.

    Args:
        units: scored, with their data sets.
    """
    dataset = np.array([str(name) for name in units.words["dataset"]])
    names = [n for n in np.unique(dataset) if _has_both(units.is_fake[dataset == n])]
    if len(names) < 2:
        return None
    used = np.isin(dataset, names)
    log_odds, weight, shifts = np.zeros(len(dataset)), np.zeros(len(dataset)), []
    for name in names:
        inside, others = dataset == name, used & (dataset != name)
        fit = _fit_evenly(units, dataset, others)
        log_odds[inside] = fit.slope * units.logit[inside] + fit.intercept
        weight[inside] = _even_weights(units.is_fake[inside])
        shifts.append(_shift(log_odds[inside], units.is_fake[inside]))
    return HeldOut(
        log_odds[used],
        units.is_fake[used],
        weight[used],
        units.words["method"][used],
        tuple(str(n) for n in names),
        tuple(shifts),
    )


def _has_both(is_fake: NDArray[np.bool_]) -> bool:
    return min(int(is_fake.sum()), int((~is_fake).sum())) >= LEAST_OF_A_LABEL


def _even_weights(is_fake: NDArray[np.bool_]) -> Values:
    return np.asarray(np.where(is_fake, 1 / is_fake.sum(), 1 / (~is_fake).sum()))


def _fit_evenly(units: Units, dataset: NDArray[np.str_], among: NDArray[np.bool_]) -> Fit:
    weights = np.zeros(len(dataset))
    for name in np.unique(dataset[among]):
        inside = dataset == name
        weights[inside] = _even_weights(units.is_fake[inside]) * inside.sum() / 2
    return fit_platt(units.logit[among], units.is_fake[among], weights[among])


def _shift(log_odds: Values, is_fake: NDArray[np.bool_]) -> float:
    """Return what must be added to log odds so that their mean probability becomes a half.

    That is right where the labels weigh alike. Bisection: the mean rises with what is added. Its
    sampling error is not taken off, so few videos make sources look further apart than they are.
    """
    weight = _even_weights(is_fake) / 2
    low, high = -50.0, 50.0
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        mean = float((weight / (1 + np.exp(-np.clip(log_odds + middle, -50, 50)))).sum())
        low, high = (middle, high) if mean < 0.5 else (low, middle)
    return (low + high) / 2


def fit_words(held_out: HeldOut, manifest: BundleManifest) -> Words:
    """Choose where the words begin, and measure how often each is given.

    Args:
        held_out: the units by left-out sources.
        manifest: with its new calibration, likelihood bounds and abstention, which the words must
            not contradict.
    """
    some = held_out.quantile(1 - SOME_FALSE_ALARMS, fake=False) + _LEAST_GAP
    substantial = held_out.quantile(1 - SUBSTANTIAL_FALSE_ALARMS, fake=False) + _LEAST_GAP
    little = min(held_out.quantile(LITTLE_MISSES, fake=True), some) - _LEAST_GAP
    chosen = Words(
        little_up_to=little,
        some_from=some,
        substantial_from=max(substantial, some),
        substantial_key_frames=SUBSTANTIAL_KEY_FRAMES,
        source_sd=float(np.sqrt(np.mean(np.square(held_out.shifts)))),
        genuine=int((~held_out.is_fake).sum()),
        fakes=int(held_out.is_fake.sum()),
        rates=(),
        data=f"{', '.join(held_out.sources)}: each judged by a calibration fitted on the others; "
        "sources weigh alike",
    )
    words = give_words(held_out, manifest.model_copy(update={"words": chosen}))
    rates = tuple(
        MeasuredWordRate(
            word=each,
            of_genuine=held_out.share(words == each, fake=False),
            of_fake=held_out.share(words == each, fake=True),
        )
        for each in _WORDS
    )
    return chosen.model_copy(update={"rates": rates})


def give_words(held_out: HeldOut, manifest: BundleManifest) -> NDArray[np.object_]:
    """Return the word of each unit, `(N,)`, as a scan with enough key frames would give it."""
    enough = SUBSTANTIAL_KEY_FRAMES
    return np.array(
        [
            word(limit_to_support(x, manifest), manifest, key_frames=enough)
            for x in held_out.log_odds
        ],
        dtype=np.object_,
    )


def method_rates(held_out: HeldOut, manifest: BundleManifest) -> tuple[MethodRate, ...]:
    """Return how often forgeries of each kind got `little evidence`.

    Args:
        held_out: the units by left-out sources.
        manifest: with its words.
    """
    words = give_words(held_out, manifest)
    rates = []
    for method in sorted({str(m) for m in held_out.method[held_out.is_fake] if m is not None}):
        inside = held_out.is_fake & (held_out.method == method)
        missed = float(np.mean(words[inside] == "little evidence"))
        rates.append(MethodRate(method=method, missed=missed, videos=int(inside.sum())))
    return tuple(rates)

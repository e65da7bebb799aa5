"""The page of `unmask explain-check`: are a detector's maps any good? Tables, pictures, a reading.

One HTML file without network or script, under the same kind of security policy as the report.
"""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from unmask.explain.check import Checked, Example
from unmask.explain.faithfulness import SENSITIVITY_NOISE, STEPS
from unmask.explain.methods import TITLES
from unmask.explain.randomisation import DEPTHS
from unmask.explain.scorecam import probability
from unmask.explain.summary import RULE, SURVIVES, Figure, MethodSummary, Summary
from unmask.report import maps_charts
from unmask.report.html import asset, environment
from unmask.report.overlays import laid_over
from unmask.report.page import policy
from unmask.report.pictures import jpeg_uri

_PICTURE_PX = 128


@dataclass(frozen=True, eq=False)
class MapsPage:
    """What the page is made of."""

    detector: str
    """Name of the detector."""
    sha256: str
    """SHA-256 of its manifest."""
    seed: int
    """Of the check."""
    summary: Summary
    """Figures by method."""
    checked: Checked
    """Figures by crop, and examples."""


@dataclass(frozen=True)
class ExampleView:
    """One crop as the page shows it."""

    name: str
    """Its name."""
    label: str
    """`real`, `fake` or that it is not known."""
    probability: float
    """P(fake) of the network, not calibrated."""
    pictures: tuple[tuple[str, str, bool], ...]
    """Title, data URI and whether there is a map: the crop, its mask, then each method."""


def maps_page(page: MapsPage) -> str:
    """Return the page as a complete HTML document."""
    style = asset("report.css") + asset("maps.css")
    return (
        environment()
        .get_template("maps.html.j2")
        .render(
            page=page,
            summary=page.summary,
            examples=[_example(each) for each in page.checked.examples],
            titles=TITLES,
            charts=maps_charts.draw_charts(page.summary),
            box=maps_charts,
            figure=figure,
            reading=read_figures,
            rule=RULE,
            survives=SURVIVES,
            depths=DEPTHS,
            steps=STEPS,
            noise=SENSITIVITY_NOISE,
            style=Markup(style),  # noqa: S704 - our own file
            policy=policy(style),
        )
    )


def figure(value: Figure | None, *, sign: bool = False) -> str:
    """Write a mean with its interval.

    >>> figure(Figure(0.25, (0.1, 0.4), 9)), figure(None)
    ('0.25 (0.10 to 0.40)', 'not measured')
    """
    if value is None:
        return "not measured"
    form = "+.3f" if sign else ".2f"
    if value.interval is None:
        return f"{value.mean:{form}}"
    return f"{value.mean:{form}} ({value.interval[0]:{form}} to {value.interval[1]:{form}})"


def read_figures(line: MethodSummary) -> str:
    """Say in a sentence what a method's figures mean."""
    meaning = {
        "untrustworthy": "stays alike when nothing of the training is left: do not use it",
        "follows the score": "the score follows these maps better than both baselines",
        "no better than a baseline": "a blob in the middle, or a random map, does as well",
        "not measured": "too few crops to tell",
        None: "a baseline: knows nothing of the network",
    }[line.verdict]
    if line.energy_gain is None or line.energy_gain.interval is None:
        return meaning
    low, high = line.energy_gain.interval
    where = "as much as the blob does"
    if low > 0:
        where = "more than the blob does"
    elif high < 0:
        where = "less than the blob does"
    return f"{meaning}; it lies on the forgery {where}"


def _example(example: Example) -> ExampleView:
    sample = example.sample
    pictures = [("the crop", jpeg_uri(sample.pixels, side_px=_PICTURE_PX), True)]
    if sample.mask is not None:
        mask = sample.mask[..., None].repeat(3, axis=2)
        pictures.append(("manipulated", jpeg_uri(mask, side_px=_PICTURE_PX), True))
    for method, saliency in example.maps.items():
        overlay = laid_over(sample.pixels, saliency)
        title = TITLES.get(method, f"({method})")
        pictures.append((title, jpeg_uri(overlay, side_px=_PICTURE_PX), bool(saliency.any())))
    return ExampleView(
        name=sample.crop_id,
        label=sample.label or "label not known",
        probability=float(probability(example.logit)),
        pictures=tuple(pictures),
    )

"""Every data set known, by name."""

from __future__ import annotations

from unmask.datasets.layouts.celebdf import CELEBDF_PP, CELEBDF_V1, CELEBDF_V2
from unmask.datasets.layouts.crop_files import CROPS
from unmask.datasets.layouts.deeperforensics import DEEPERFORENSICS
from unmask.datasets.layouts.df40 import DF40
from unmask.datasets.layouts.dfdc import DFDC
from unmask.datasets.layouts.dfdc_preview import DFDC_PREVIEW
from unmask.datasets.layouts.fakeavceleb import FAKEAVCELEB
from unmask.datasets.layouts.ffpp import FFPP
from unmask.datasets.layouts.folder import FOLDER
from unmask.datasets.layouts.layout import Layout
from unmask.datasets.layouts.table import TABLE
from unmask.datasets.layouts.uadfv import UADFV
from unmask.datasets.layouts.wilddeepfake import WILDDEEPFAKE

LAYOUTS: dict[str, Layout] = {
    each.name: each
    for each in (
        FFPP,
        CELEBDF_V1,
        CELEBDF_V2,
        CELEBDF_PP,
        DFDC,
        DFDC_PREVIEW,
        DEEPERFORENSICS,
        FAKEAVCELEB,
        WILDDEEPFAKE,
        UADFV,
        DF40,
        FOLDER,
        TABLE,
        CROPS,
    )
}


def layout(name: str) -> Layout:
    """Return a layout by name.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in LAYOUTS:
        raise ValueError(f"unknown layout {name!r}; known: {', '.join(LAYOUTS)}")
    return LAYOUTS[name]

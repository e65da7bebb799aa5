"""The crops that validate a run: which they were at its start, and which measure it later.

A run's folder holds `validation.parquet`, so that nobody has to choose them again: a row for each
crop, in order, with its number among all crops of the stores and files that `run.json` names for
validation. The hashes there say whether these are still what they were. Needs no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from unmask.core.errors import InputError, ManifestError
from unmask.system.files import write_whole
from unmask.system.parquet import read_table
from unmask.training.crop_table import ClipCrops, Crops, as_clips, read_crops
from unmask.training.runs import VALIDATION, Run

_NUMBER = pa.schema([("crop", pa.int64())])
_DAMAGED = "remove it and `unmask train --resume` writes it again, or give crops with --validation"


def write_list(folder: Path, validation: Crops) -> None:
    """Write which crops validate a run; of clips, the crops that they are made of."""
    crops = validation.single if isinstance(validation, ClipCrops) else validation
    used, of_crop = np.unique(crops.columns.origin, return_inverse=True)
    sizes = [len(crops.origins[number].crops) for number in used]
    numbers = np.cumsum([0, *sizes])[of_crop] + crops.columns.position
    table = pa.table([numbers], schema=_NUMBER)
    # plain: a reader refuses more rows than a file has bytes
    write_whole(
        folder / VALIDATION,
        lambda partial: pq.write_table(table, partial, compression="none", use_dictionary=False),
    )


def read_validation(run: Run, given: Sequence[Path] = ()) -> Crops:
    """Read the crops that a run is measured on, as its network takes them.

    Args:
        run: the run.
        given: crop stores or Parquet files; the run's own validation crops if empty.

    Raises:
        InputNotFound: a store or file is gone.
        InputError: the run's own have changed, or it has no list of them.
        ManifestError: the list, a store or a file is damaged.
        RecipeError: they make no clip for a network over time.
    """
    crops = read_crops(given) if given else _read_own(run)
    return as_clips(crops, run.recipe.network.clip)


def _read_own(run: Run) -> Crops:
    if not run.validation_list.is_file():
        raise InputError(
            f"the run {str(run.folder)!r} has no list of its validation crops",
            hint=f"`unmask train --resume {run.folder}` writes it; or give crops with --validation",
        )
    numbers = _read_numbers(run.validation_list)
    sources = run.data.validation.sources
    crops = read_crops(
        [source.path for source in sources], uncertain_fakes=run.data.left_out is None
    )
    if tuple(origin.described for origin in crops.origins) != sources:
        raise InputError(
            f"the crops of the run {str(run.folder)!r} are not those that it was trained on",
            hint="put the old files back, or give others with --validation",
        )
    own = crops.take(np.isin(np.arange(len(crops)), numbers))
    if not len(own) or own.summary() != run.data.validation:
        raise ManifestError(
            f"{run.validation_list} names other crops than validated the run", hint=_DAMAGED
        )
    return own


def _read_numbers(path: Path) -> NDArray[np.int64]:
    """Read a list, whose numbers may be any."""
    table = read_table(path, hint=_DAMAGED)
    if table.schema != _NUMBER or table["crop"].null_count:
        raise ManifestError(f"{path} is no list of crops", hint=_DAMAGED)
    numbers: NDArray[np.int64] = table["crop"].to_numpy()
    return numbers

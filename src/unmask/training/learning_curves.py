"""The learning curves of a run as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unmask.system.files import write_whole

Row = dict[str, float]

_PANELS = (
    ("loss", ("training_loss", "loss")),
    ("validation", ("accuracy", "balanced_accuracy", "auc", "video_auc")),
    ("learning rate", ("learning_rate",)),
)
_WORDS = {"training_loss": "training (as weighted)", "loss": "validation (unweighted)"}


def draw_curves(rows: Sequence[Row], path: Path, *, title: str, best_epoch: int | None) -> None:
    """Draw loss, validation figures and learning rate over the epochs.

    Args:
        rows: of the log, one per epoch.
        path: PNG to write.
        title: above the picture.
        best_epoch: marked with a line.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.2), layout="constrained")
    figure.suptitle(title)
    epochs = [row["epoch"] for row in rows]
    for axes, (name, columns) in zip(figure.subplots(1, len(_PANELS)), _PANELS, strict=True):
        for column in columns:
            label = _WORDS.get(column, column.replace("_", " "))
            axes.plot(epochs, [row[column] for row in rows], marker=".", label=label)
        if best_epoch is not None:
            axes.axvline(best_epoch, color="grey", linestyle=":", label="kept")
        axes.set(xlabel="epoch", title=name)
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        if name == "learning rate":
            axes.set_ylim(bottom=0)
        # below the curves: matplotlib warns of its search for a free place where that is slow
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, fontsize="small")
        axes.grid(alpha=0.3)
    write_whole(path, lambda partial: figure.savefig(partial, format="png", dpi=110))

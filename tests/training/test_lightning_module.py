"""The learning rate of each batch."""

# ruff: noqa: E402 - imports wait for the check that torch is there

from __future__ import annotations

import pytest

for package in ("torch", "lightning", "timm", "yaml"):
    pytest.importorskip(package, reason=f"training needs {package} (extra `train`)")

import torch

from unmask.bundle.manifest import Preprocessing
from unmask.training.imbalance import Strategy
from unmask.training.lightning_module import Learning
from unmask.training.recipe import load_recipe


class Unheard:
    """A keeper that keeps nothing."""

    def batch_begins(self) -> None: ...

    def batch_done(self, learning: Learning, *, crops: int) -> None: ...

    def validated(self, learning: Learning) -> None: ...


@pytest.mark.parametrize("total", [20, 25, 47, 199])
@pytest.mark.parametrize("name", ["plateau", "constant"])
def test_the_rate_is_full_after_the_warm_up(name: str, total: int) -> None:
    changes = [f"schedule.name={name}", "schedule.warmup_ratio=0.1"]
    third = (0.5, 0.5, 0.5)
    learning = Learning(
        torch.nn.Conv2d(3, 1, 1),
        load_recipe("paper-xception", changes),
        Strategy(0.0),
        Preprocessing(size_px=32, margin_ratio=1.3, mean=third, std=third),
        total_batches=total,
        validation_size=1,
        keeper=Unheard(),
    )
    rates = []
    for learning.batches_done in range(total):
        learning.on_train_batch_start()
        rates.append(learning.learning_rate)
    rising = [(n + 1) / total / 0.1 for n in range(total)]
    assert rates == pytest.approx([1e-3 * min(1, share) for share in rising])

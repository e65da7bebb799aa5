"""Pooling of a film's frames by attention, learned from embeddings of other films.

Gated out of simplicity: one tanh layer gives each frame a weight, a linear layer the logit of the
weighted mean. The embeddings come from the detector and stay as they are; they are first reduced to
their leading directions, since there are far fewer films than dimensions.

Source: Ilse et al., "Attention-based Deep Multiple Instance Learning", ICML 2018, equation 8.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from unmask.studies.cells import Cell, Factor, Measured, Place
from unmask.studies.film_scores import View

Matrix = NDArray[np.float64]
Choice = dict[str, NDArray[np.int64]]

_DIRECTIONS = 8
_HIDDEN = 8
_STEPS = 300
_RATE = 0.02
_DECAY = 0.02


def attention_cell(
    factors: dict[str, Factor],
    training: Sequence[tuple[View, str]],
    judged: Sequence[tuple[View, str, Choice]],
    *,
    seed: int,
) -> Cell:
    """Return the cell that learns to pool and pools.

    Args:
        factors: where it stands in its study.
        training: films to learn from, each with the key of its scores.
        judged: films to pool, with the key of their scores and the rows of each choice of frames.
        seed: of the first weights.
    """
    content: dict[str, Any] = {
        "what": "attention",
        "training": [key for _, key in training],
        "judged": [
            [key, {name: rows.tolist() for name, rows in choice.items()}]
            for _, key, choice in judged
        ],
        "settings": [_DIRECTIONS, _HIDDEN, _STEPS, _RATE, _DECAY, seed],
    }

    def measure(_: Place) -> Measured:
        bags = [_embeddings(view) for view, _ in training]
        labels = np.array([view.film.label == "fake" for view, _ in training], dtype=np.float64)
        pool = _Pool(bags, labels, seed)
        rows = [
            {"video": view.film.id, "frames": name, "logit": pool(_embeddings(view)[chosen])}
            for view, _, choice in judged
            for name, chosen in choice.items()
        ]
        return Measured(pa.Table.from_pylist(rows))

    return Cell(factors, content, measure)


def _embeddings(view: View) -> Matrix:
    return np.array(view.table["embedding"].to_pylist(), dtype=np.float64)


class _Pool:
    """Learns from bags of frames with one label each; then gives a bag's logit."""

    def __init__(self, bags: Sequence[Matrix], labels: Matrix, seed: int) -> None:
        import torch

        together = np.concatenate(bags)
        self._middle = together.mean(axis=0)
        self._directions = _leading_directions(together - self._middle)
        self._scale = np.maximum((together - self._middle).dot(self._directions).std(axis=0), 1e-9)
        torch.manual_seed(seed)
        width = self._directions.shape[1]
        self._weigh = torch.nn.Sequential(
            torch.nn.Linear(width, _HIDDEN), torch.nn.Tanh(), torch.nn.Linear(_HIDDEN, 1)
        )
        self._judge = torch.nn.Linear(width, 1)
        parameters = [*self._weigh.parameters(), *self._judge.parameters()]
        optimiser = torch.optim.AdamW(parameters, lr=_RATE, weight_decay=_DECAY)
        inputs = [self._reduced(bag) for bag in bags]
        targets = torch.tensor(labels, dtype=torch.float32)
        for _ in range(_STEPS):
            optimiser.zero_grad()
            logits = torch.stack([self._logit(bag) for bag in inputs])
            torch.nn.functional.binary_cross_entropy_with_logits(logits, targets).backward()
            optimiser.step()

    def __call__(self, bag: Matrix) -> float:
        """Return the logit of a film's frames, `(N, D)` embeddings."""
        import torch

        with torch.inference_mode():
            return float(self._logit(self._reduced(bag)))

    def _reduced(self, bag: Matrix) -> Any:
        import torch

        reduced = (bag - self._middle).dot(self._directions) / self._scale
        return torch.tensor(reduced, dtype=torch.float32)

    def _logit(self, bag: Any) -> Any:
        weights = self._weigh(bag).softmax(dim=0)
        return self._judge((weights * bag).sum(dim=0)).squeeze(0)


def _leading_directions(centred: Matrix) -> Matrix:
    """Return the leading directions of rows, `(D, K)`."""
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    matrix: Matrix = directions[:_DIRECTIONS].T
    return matrix

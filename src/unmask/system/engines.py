"""Where the tasks of a run are done: in processes of this machine, or on a Ray cluster.

Both do the same: each task in a walled process of its own kind (see `workers`), results one by one
as they come, a new task only where the last result was taken. So scans, crops and predictions ask
an `Engine` and do not know which it is, and what they get is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

from unmask.system.workers import Crashed, Duty, run_duty

State = TypeVar("State")
Task = TypeVar("Task")
Result = TypeVar("Result")

EngineName = Literal["local", "ray"]


@dataclass(frozen=True)
class Engine:
    """An engine and how much of it is used."""

    name: EngineName = "local"
    """`local`: processes of this machine; `ray`: actors of a cluster."""
    workers: int = 1
    """Tasks at a time."""
    address: str | None = None
    """Of a Ray cluster, such as `auto`; None: one of this machine alone, for the run."""
    cpus_per_worker: float = 1.0
    """Cores that Ray counts for each; a part of one lets more of them share a machine."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense before any file is opened."""
        if self.name not in get_args(EngineName):
            raise ValueError(f"--engine is local or ray, got {self.name!r}")
        if self.workers < 1:
            raise ValueError(f"workers must be at least 1, got {self.workers}")
        if self.name == "local" and self.address is not None:
            raise ValueError("--address goes with --engine ray")
        if not self.cpus_per_worker > 0:
            raise ValueError(f"--worker-cpus must be above zero, got {self.cpus_per_worker:g}")

    def run(
        self, tasks: Sequence[Task], duty: Duty[State, Task, Result], *, retry_alone: bool = False
    ) -> Iterator[tuple[int, Result | Crashed]]:
        """Work on all tasks, yielding results as they come.

        Args:
            tasks: what to do; each is pickled.
            duty: what each process does.
            retry_alone: try a task whose process died once more at the end, with no other beside
                it.

        Yields:
            Position of the task, and its result.

        Raises:
            AnalysisCrashed: no process could be started.
            ModuleNotFoundError: Ray is not installed.
            Exception: whatever `duty.start` raised.
        """
        if self.name == "local":
            return run_duty(tasks, duty, workers=self.workers, retry_alone=retry_alone)
        from unmask.system.ray_actors import run_on_ray

        return run_on_ray(
            tasks,
            duty,
            workers=self.workers,
            address=self.address,
            cpus_per_worker=self.cpus_per_worker,
            retry_alone=retry_alone,
        )


LOCAL = Engine()
"""One process of this machine at a time."""

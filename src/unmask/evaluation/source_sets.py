"""Sources made of others: several as one, and a shard of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from unmask.core.errors import ManifestError
from unmask.datasets.shards import Shard
from unmask.evaluation.predictions import add_known, join_terms
from unmask.evaluation.sources import Source
from unmask.evaluation.video_scorer import Rows


@dataclass(frozen=True)
class SourceShard:
    """The videos of a source that belong to a shard."""

    source: Source
    """All."""
    shard: Shard
    """Which of them."""

    @cached_property
    def videos(self) -> list[str]:
        """Ids of the shard's videos.

        Raises:
            ManifestError: there are none.
        """
        own = [video for video in self.source.videos if self.shard.holds(video)]
        if not own:
            raise ManifestError(
                f"none of the {len(self.source.videos)} videos is in the shard {self.shard}",
                hint="make fewer shards",
            )
        return own

    @property
    def described(self) -> dict[str, Any]:
        """What is known of the source, with the shard's number of videos."""
        described = self.source.described
        settings = {**described.get("settings", {}), "shard": str(self.shard)}
        return {**described, "videos_expected": len(self.videos), "settings": settings}

    def score(self, skip: AbstractSet[str]) -> Iterator[Rows]:
        """Yield rows of the shard's videos."""
        return self.source.score(skip | (set(self.source.videos) - set(self.videos)))


@dataclass(frozen=True)
class SourceChain:
    """Several sources, one after the other; they share no video."""

    sources: tuple[Source, ...]
    """At least one."""

    @cached_property
    def videos(self) -> list[str]:
        """Ids of all videos.

        Raises:
            ManifestError: one is in two sources.
        """
        counted = Counter(video for source in self.sources for video in source.videos)
        shared = sorted(video for video, times in counted.items() if times > 1)
        if shared:
            raise ManifestError(
                f"{len(shared)} videos are in several of the sources, such as {shared[0]!r}",
                hint="give each video once; data sets whose files have equal names are scored "
                "one by one",
            )
        return list(counted)

    @property
    def described(self) -> dict[str, Any]:
        """What is known of all sources."""
        each = [source.described for source in self.sources]
        manifests = {described.get("manifest_sha256") for described in each}
        one = len(manifests) == 1 and None not in manifests
        settings = [described.get("settings", {}) for described in each]
        return {
            **join_terms(each),
            "manifest_sha256": each[0]["manifest_sha256"] if one else None,
            "videos_expected": _count_expected(self, [d["videos_expected"] for d in each], one=one),
            **{
                count: add_known(described.get(count) for described in each)
                for count in ("crops_left_out", "crops_coarse")
            },
            "settings": settings[0]
            if all(other == settings[0] for other in settings)
            else {"sources": settings},
        }

    def score(self, skip: AbstractSet[str]) -> Iterator[Rows]:
        """Yield rows of one source after the other."""
        for source in self.sources:
            yield from source.score(skip)


def _count_expected(chain: SourceChain, counts: Sequence[int], *, one: bool) -> int:
    """Count the videos: of several stores of one manifest each expects all its rows."""
    return max(*counts, len(chain.videos)) if one else max(sum(counts), len(chain.videos))

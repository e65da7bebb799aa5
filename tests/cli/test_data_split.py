"""`unmask data split` and `unmask data audit` as a user meets them: output, hints, exit codes."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from clips import write_clip
from commands import Command
from unmask.cli.data.audit import exit_code, name_manifests
from unmask.cli.data.split import parse_ratios
from unmask.datasets.audit import audit
from unmask.datasets.manifest import (
    Manifest,
    ManifestInfo,
    Split,
    VideoRecord,
    read_manifest,
    write_manifest,
)


def rows(count: int = 50) -> list[VideoRecord]:
    """Reals, each with one fake of either of two methods."""
    video_records = []
    for number in range(count):
        key, method = f"r{number:03}", ("swap", "mimic")[number % 2]
        video_records.append(VideoRecord(f"real/{key}.mp4", "table", "real", target=key))
        video_records.append(
            VideoRecord(f"fake/{key}.mp4", "table", "fake", method=method, target=key)
        )
    return video_records


def write(folder: Path, name: str, records: list[VideoRecord], root: Path | None = None) -> Path:
    info = ManifestInfo("table", str(root or folder), "own")
    write_manifest(Manifest(info, tuple(records)), folder / name)
    return folder / name


def two_clips(folder: Path, *names: str) -> list[VideoRecord]:
    """Clips of the same pictures, the first to train and the others to test."""
    splits: list[Split] = ["train", *(["test"] * (len(names) - 1))]  # type: ignore[list-item]
    # copies: what an encoder makes of the same pictures may differ in a grey level here and there
    first = write_clip(folder / names[0])
    for name in names[1:]:
        shutil.copyfile(first, folder / name)
    return [
        VideoRecord(name, "table", "real", target=name, split=split)
        for name, split in zip(names, splits, strict=True)
    ]


def test_split_writes_beside_the_manifest_and_prints_counts(
    unmask: Command, tmp_path: Path
) -> None:
    write(tmp_path, "all.parquet", rows())
    done = unmask("data", "split", "all.parquet", "--protocol", "video")
    assert (done.returncode, done.stderr) == (0, "")
    result = read_manifest(tmp_path / "all-video.parquet")
    count = Counter((row.split, row.method) for row in result.records)
    sides: tuple[Split, ...] = ("train", "validation", "test")
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["label", "method", *sides],
        ["real", "-", "36", "7", "7"],
        ["fake", "mimic", *(str(count[side, "mimic"]) for side in sides)],
        ["fake", "swap", *(str(count[side, "swap"]) for side in sides)],
        ["all", "72", "14", "14"],
        ["50", "groups", "of", "linked", "rows;", "the", "largest", "has", "2", "(2.0%)"],
        ["100", "rows", "written", "to", "all-video.parquet"],
    ]
    assert (result.info.protocol, result.info.settings["ratios"]) == ("video", [72.0, 14.0, 14.0])


def test_split_takes_ratios_seed_and_output(unmask: Command, tmp_path: Path) -> None:
    write(tmp_path, "all.parquet", rows())
    words = ("--protocol", "video", "--ratios", "8/1/1", "--seed", "5", "-o", "mine.parquet")
    assert unmask("data", "split", "all.parquet", *words).returncode == 0
    result = read_manifest(tmp_path / "mine.parquet")
    assert sum(record.split == "train" for record in result.records) == 80
    assert result.info.seed == 5


def test_split_by_folds_prints_a_column_for_each(unmask: Command, tmp_path: Path) -> None:
    write(tmp_path, "all.parquet", rows())
    words = ("--protocol", "k-fold", "--folds", "10")
    done = unmask("data", "split", "all.parquet", *words)
    header, *_ = done.stdout.splitlines()
    assert header.split("  ")[-10:] == [f"fold {number}" for number in range(10)]


def test_split_says_what_is_wrong_with_it_on_standard_error(
    unmask: Command, tmp_path: Path
) -> None:
    write(tmp_path, "all.parquet", rows())
    done = unmask("data", "split", "all.parquet", "--protocol", "paper-frame-split")
    assert done.returncode == 0
    assert done.stderr.startswith("warning: frames are split at random, as the paper did")
    assert read_manifest(tmp_path / "all-paper-frame-split.parquet").info.leaks


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--protocol", "random"], "unknown protocol 'random'"),
        (["--protocol", "video", "--ratios", "7:3"], "ratios look like 72/14/14, got '7:3'"),
        (["--protocol", "video", "--ratios", "7/3"], "three numbers"),
        (["--protocol", "official"], "'table' have no official split"),
        (["--protocol", "part"], "lie in no parts"),
        (["--protocol", "k-fold", "--group-by", "name"], "one of video, identity"),
        (["--protocol", "video", "-o", "gone/x.parquet"], "no folder 'gone'"),
        ([], "Missing option '--protocol'"),
    ],
)
def test_wrong_use_of_split_ends_with_a_hint_and_writes_nothing(
    unmask: Command, words: list[str], message: str, tmp_path: Path
) -> None:
    write(tmp_path, "all.parquet", rows(3))
    done = unmask("data", "split", "all.parquet", *words)
    error, hint = done.stderr.splitlines()
    assert message in error
    assert (error[:7], hint[:6], done.returncode, done.stdout) == ("error: ", "hint: ", 2, "")
    assert [path.name for path in tmp_path.iterdir()] == ["all.parquet"]


def test_audit_of_a_clean_split_ends_with_0_and_says_what_was_not_checked(
    unmask: Command, tmp_path: Path
) -> None:
    write(tmp_path, "all.parquet", rows())
    unmask("data", "split", "all.parquet", "--protocol", "video")
    done = unmask("data", "audit", "all-video.parquet", "--no-frames")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:3] == ["train: 72 rows", "validation: 14 rows", "test: 14 rows"]
    assert "  same-file: 100 of 100 rows (train, validation, test): no SHA-256" in done.stdout
    assert lines[-1] == "no leak found, but not everything was checked"


def test_audit_of_a_leaking_pair_ends_with_1_and_names_both_files(
    unmask: Command, tmp_path: Path
) -> None:
    both = rows(3)
    write(tmp_path, "train.parquet", both[:4])
    write(tmp_path, "test.parquet", both[3:])
    done = unmask("data", "audit", "train.parquet", "test.parquet", "--no-frames")
    assert done.returncode == 1
    shared = next(line for line in done.stdout.splitlines() if line.startswith("same-row"))
    assert shared.split() == ["same-row", "train", "test", "1", "1", "(33.3%)", "LEAKS"]
    assert "  fake/r001.mp4 | fake/r001.mp4 | table:fake/r001.mp4" in done.stdout
    assert done.stdout.splitlines()[-1] == "this leaks"


def test_audit_finds_clips_that_look_the_same(unmask: Command, tmp_path: Path) -> None:
    write(tmp_path, "all.parquet", two_clips(tmp_path, "a.mp4", "b.mp4"))
    done = unmask("data", "audit", "all.parquet")
    assert done.returncode == 1
    assert "  a.mp4 | b.mp4 | 0 of 64 bits differ" in done.stdout
    assert "6 frames compared, at most 3 a row" in done.stdout


def test_audit_ends_with_3_when_nothing_leaks_but_a_file_is_gone(
    unmask: Command, tmp_path: Path
) -> None:
    records = two_clips(tmp_path, "a.mp4", "b.mp4")
    (tmp_path / "b.mp4").unlink()
    write(tmp_path, "all.parquet", records)
    done = unmask("data", "audit", "all.parquet")
    assert done.returncode == 3
    assert "unreadable: 1\n  b.mp4: cannot open" in done.stdout
    assert "near-duplicate: 1 of 1 rows (test): their files could not be read" in done.stdout


def test_audit_reads_below_another_root(unmask: Command, tmp_path: Path) -> None:
    elsewhere = tmp_path / "moved"
    elsewhere.mkdir()
    write(tmp_path, "all.parquet", two_clips(elsewhere, "a.mp4", "b.mp4"), Path("/nowhere"))
    assert unmask("data", "audit", "all.parquet").returncode == 3
    result = unmask("data", "audit", "all.parquet", "--root", elsewhere)
    assert result.returncode == 1


def test_audit_prints_json_and_nothing_else(unmask: Command, tmp_path: Path) -> None:
    write(tmp_path, "all.parquet", two_clips(tmp_path, "a.mp4", "b.mp4"))
    done = unmask("data", "audit", "all.parquet", "--json", "--threshold-bits", "2")
    report = json.loads(done.stdout)
    assert (report["version"], report["leaks"], done.returncode) == (1, True, 1)
    assert report["frames"]["threshold_bits"] == 2
    result = {each["kind"]: each["count"] for each in report["findings"]}
    assert (result["near-duplicate"], result["shared-video"], result["same-file"]) == (3, 0, None)


def test_audit_of_many_folds_counts_what_found_nothing(unmask: Command, tmp_path: Path) -> None:
    write(tmp_path, "all.parquet", rows())
    unmask("data", "split", "all.parquet", "--protocol", "k-fold")
    done = unmask("data", "audit", "all-k-fold.parquet", "--no-frames")
    assert "30 comparisons of two sides found nothing (same-row, shared-video" in done.stdout
    assert "same-file: 100 of 100 rows" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["all.parquet"], "nothing to compare: 0 splits or folds"),
        (["all.parquet", "./all.parquet"], "given twice"),
        (["gone.parquet", "all.parquet"], "no manifest 'gone.parquet'"),
        (["all.parquet", "--threshold-bits", "40"], "threshold from 0 to 31 bits"),
        (["all.parquet", "--frames-per-row", "0"], "--frames-per-row"),
    ],
)
def test_wrong_use_of_audit_ends_with_a_hint(
    unmask: Command, words: list[str], message: str, tmp_path: Path
) -> None:
    write(tmp_path, "all.parquet", rows(3))
    done = unmask("data", "audit", *words)
    error, hint = done.stderr.splitlines()
    assert message in error
    assert (hint[:6], done.returncode, done.stdout) == ("hint: ", 2, "")


def test_a_leak_stands_even_if_a_file_could_not_be_read(tmp_path: Path) -> None:
    records = [
        VideoRecord(f"{split}.mp4", "table", "real", target="same", split=split)
        for split in ("train", "test")
    ]
    report = audit({"m": Manifest(ManifestInfo("table", str(tmp_path), "own"), tuple(records))})
    assert len(report.unreadable) == 2
    assert exit_code(report) == 1


def test_manifests_of_one_name_are_told_apart_by_their_paths() -> None:
    assert name_manifests([Path("a/x.parquet"), Path("b/y.parquet")]) == ["x", "y"]
    assert name_manifests([Path("a/x.parquet"), Path("b/x.parquet")]) == [
        "a/x.parquet",
        "b/x.parquet",
    ]


def test_ratios_are_numbers_with_slashes() -> None:
    assert parse_ratios("0.8/0.1/0.1") == (0.8, 0.1, 0.1)
    with pytest.raises(ValueError, match="got '80%/20%'"):
        parse_ratios("80%/20%")

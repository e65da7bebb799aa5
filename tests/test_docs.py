"""The documentation for Python users runs as it is written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent


def code_blocks(page: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def run_as_notebook(
    cells: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch, *, seconds: int = 120
) -> list[Any]:
    """Run cells in a folder with the example clips, and return them with what they showed."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(folder / "jupyter"))
    (folder / "examples").symlink_to(ROOT / "examples")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in cells])
    nbclient.NotebookClient(
        notebook, timeout=seconds, kernel_name="python3", resources={"metadata": {"path": folder}}
    ).execute()
    return list(notebook.cells)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_page_on_python_runs_as_a_notebook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = run_as_notebook([*code_blocks("python.md"), "result"], tmp_path, monkeypatch)
    shown = cells[-1].outputs[0].data
    assert "<iframe srcdoc=" in shown["text/html"]
    assert (tmp_path / "report.html").is_file()


@pytest.mark.system  # minutes
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_page_on_training_in_python_runs_as_a_notebook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("torch", "lightning", "timm", "onnxscript", "lir"):
        pytest.importorskip(package, reason="needs the extras `train` and `evaluation`")
    from toy_crops import write_toy_crops

    write_toy_crops(tmp_path / "training.parquet", families=16, fakes=1, side=64)
    write_toy_crops(tmp_path / "held-out.parquet", families=40, fakes=1, prefix="other", side=64)
    cells = code_blocks("python-training.md")
    done = run_as_notebook(cells, tmp_path, monkeypatch, seconds=1800)
    assert "size_px=64" in done[0].outputs[0].data["text/plain"]
    figures = next(each for each in done if "evaluation.overall" in each.source).outputs
    assert "'auc'" in figures[-1].data["text/plain"].casefold()
    assert all((tmp_path / name).stat().st_size for name in ("loss.png", "roc.png"))


def test_the_page_on_evaluation_has_the_range_of_the_shipped_detector() -> None:
    from unmask.bundle.manifest import load_bundle, shipped_folder

    seen = load_bundle(shipped_folder()).manifest.calibrated_range
    assert seen is not None
    assert seen.face_px is not None
    low, high = (round(each) for each in seen.face_px)
    page = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    assert f"is calibrated on crops of {low} to {high} px" in page


def test_every_public_name_is_in_the_reference() -> None:
    import unmask

    page = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    modules = {"unmask.core.errors", "unmask.core.scan_record"}
    whole = {m for m in modules if f"::: {m}\n" in page}
    for name in set(unmask.__all__) - {"__version__"}:
        value = getattr(unmask, name)
        assert value.__module__ in whole or f"::: {value.__module__}.{name}\n" in page, name

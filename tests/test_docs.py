"""The documentation for Python users runs as it is written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def code_blocks(page: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_page_on_python_runs_as_a_notebook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "jupyter"))
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    cells = [*code_blocks("python.md"), "result"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in cells])
    nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    shown = notebook.cells[-1].outputs[0].data
    assert "<iframe srcdoc=" in shown["text/html"]
    assert (tmp_path / "report.html").is_file()


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
    modules = {"unmask.errors", "unmask.values"}
    whole = {m for m in modules if f"::: {m}\n" in page}
    for name in set(unmask.__all__) - {"__version__"}:
        value = getattr(unmask, name)
        assert value.__module__ in whole or f"::: {value.__module__}.{name}\n" in page, name

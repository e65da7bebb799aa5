"""Languages: complete catalogues, sentences of results, and the language that is chosen."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import unmask.scanner.likelihood
import unmask.scanner.scanner
import unmask.scanner.scoring
import unmask.scanner.verdict
from unmask.report.language.sentences import SENTENCES, sentence
from unmask.report.language.translation import (
    LANGUAGES,
    _,
    in_language,
    language,
    language_of_environment,
    ngettext,
)

catalogues = pytest.importorskip("babel.messages", reason="babel is not installed")
OTHERS = [code for code in LANGUAGES if code != "en"]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    path = Path(__file__).parents[3] / "tools" / "catalogues.py"
    spec = importlib.util.spec_from_file_location("catalogues", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("code", OTHERS)
def test_a_catalogue_holds_every_text_and_no_other(code: str, tool: ModuleType) -> None:
    texts = {m.id for m in tool.texts() if m.id}
    catalogue = tool.catalogue(code)
    assert {m.id for m in catalogue if m.id} == texts
    assert tool.missing(catalogue) == []
    assert not [m.id for m in catalogue if m.id and m.fuzzy]


@pytest.mark.parametrize("code", OTHERS)
def test_translations_have_the_places_of_the_english_text(code: str, tool: ModuleType) -> None:
    for message in tool.catalogue(code):
        if not message.id:
            continue
        forms = message.string if isinstance(message.string, tuple) else (message.string,)
        english = message.id if isinstance(message.id, str) else message.id[1]
        for form in forms:
            assert _places(form) == _places(english), message.id


@pytest.mark.parametrize("code", OTHERS)
def test_the_compiled_catalogue_is_current(code: str, tool: ModuleType) -> None:
    compiled = (tool.FOLDER / f"{code}.mo").read_bytes()
    assert compiled == tool.mo_bytes(tool.updated(code, tool.texts()))


def _places(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


@pytest.mark.parametrize("code", OTHERS)
def test_every_sentence_is_found_again_with_its_values(code: str) -> None:
    for text in SENTENCES:
        values = {name: f"<{name}>" for name in _places(text)}
        with in_language(code):
            assert sentence(text.format(**values)) == _(text, **values)


def test_a_sentence_within_a_sentence_is_translated() -> None:
    with in_language("de"):
        assert sentence(
            "face 3: 1 usable key frame of 5, at least 4 needed; head turned away in 3"
        ) == (
            "Gesicht 3: 1 brauchbares Schlüsselbild von 5, mindestens 4 nötig; Kopf abgewandt bei 3"
        )


def test_a_sentence_that_no_catalogue_knows_stays_english() -> None:
    with in_language("fr"):
        assert sentence("something new happened") == "something new happened"
        assert sentence("") == ""


@pytest.mark.parametrize(
    "module",
    [
        unmask.scanner.verdict,
        unmask.scanner.likelihood,
        unmask.scanner.scanner,
        unmask.scanner.scoring,
    ],
)
def test_what_these_modules_say_in_a_result_is_in_the_catalogue(module: ModuleType) -> None:
    text = list(_sentences(module))
    assert text
    with in_language("es"):
        unknown = [each for each in text if sentence(each) == each]
    assert not unknown


def _sentences(module: ModuleType) -> Iterator[str]:
    """Yield what f-strings of a module can say, with 7 for each value; none of raised errors."""
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    named: dict[str, ast.expr] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise):
            node.exc = None
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            named[node.targets[0].id] = node.value
    inner = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
    } | {id(value) for value in named.values()}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) and id(node) not in inner:
            texts = _texts(node, named)
            yield from (text for text in texts if len(re.findall("[a-z]{3,}", text)) > 2)


def _texts(node: ast.expr, named: dict[str, ast.expr]) -> list[str]:
    """Return what an expression may be, with 7 for what is no text of the program."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        return [*_texts(node.body, named), *_texts(node.orelse, named)]
    if isinstance(node, ast.FormattedValue):
        return _texts(node.value, named)
    if isinstance(node, ast.Name) and isinstance(named.get(node.id), ast.IfExp | ast.JoinedStr):
        return _texts(named[node.id], {})
    called = node.func if isinstance(node, ast.Call) else None
    if isinstance(called, ast.Attribute) and called.attr == "format":
        # of a text with places that have no names
        return [text.replace("{}", "7") for text in _texts(called.value, named)]
    if isinstance(node, ast.JoinedStr):
        texts = [""]
        for part in node.values:
            texts = [text + more for text in texts for more in _texts(part, named)]
        return texts
    return ["7"]


def test_plurals_follow_the_language() -> None:
    one, many = "{count} of {total} files needs a look", "{count} of {total} files need a look"
    with in_language("fr"):
        assert ngettext(one, many, 0, total=3) == "0 fichier sur 3 mérite un examen"
        assert ngettext(one, many, 2, total=3) == "2 fichiers sur 3 méritent un examen"


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"LC_ALL": "de_AT.UTF-8", "LANG": "fr_FR.UTF-8"}, "de"),
        ({"LC_ALL": "", "LC_MESSAGES": "es"}, "es"),
        ({"LANG": "pt_BR.UTF-8"}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({}, "en"),
    ],
)
def test_the_environment_chooses(variables: dict[str, str], code: str) -> None:
    assert language_of_environment(variables) == code


def test_a_language_ends_with_its_block() -> None:
    with in_language("de"):
        with in_language("fr"):
            assert language().code == "fr"
        assert language().code == "de"
    assert language().code == "en"


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(ValueError, match="one of en, de, fr, es, got 'xx'"), in_language("xx"):
        pass

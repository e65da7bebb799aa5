"""The API against its own description: schemathesis sends what it allows and what it does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import SkipTest

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")
schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
from hypothesis import HealthCheck, given, settings  # noqa: E402 - after the check
from hypothesis.errors import Unsatisfiable  # noqa: E402
from schemathesis import GenerationMode, checks  # noqa: E402
from schemathesis.core.failures import FailureGroup  # noqa: E402
from starlette.testclient import TestClient  # noqa: E402

from unmask.service.app import create_app  # noqa: E402
from unmask.service.settings import ServiceSettings  # noqa: E402

pytestmark = [pytest.mark.system, pytest.mark.filterwarnings("default")]
HELD = (
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
)
"""What every answer must keep to."""
EXAMPLES = 25
"""Requests of each kind for each operation."""
LEAST = {GenerationMode.POSITIVE: 20, GenerationMode.NEGATIVE: 10}
"""Operations that must have been called."""


@schemathesis.serializer("application/offset+octet-stream")
def as_bytes(_context: Any, value: Any) -> bytes:
    """Write the body of a part of an upload."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@pytest.fixture(scope="module")
def api_schema(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return the description of a running service that scans nothing."""
    patch = pytest.MonkeyPatch()
    patch.setattr("unmask.service.queue.Queue.claim", lambda _self, _worker: None)
    data: Path = tmp_path_factory.mktemp("data")
    app = create_app(ServiceSettings(data=data, warm_up=False, public_hosts=("testserver",)))
    with TestClient(app):
        yield schemathesis.openapi.from_asgi("/openapi.json", app)
    patch.undo()


def operations(schema: Any) -> Iterator[Any]:
    """Yield what can be called, but the events: they never end while a scan waits."""
    for each in schema.get_all_operations():
        operation = each.ok()
        if not operation.path.endswith("/events"):
            yield operation


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_answer_is_a_fault_or_undocumented(api_schema: Any, mode: Any) -> None:
    called, wrong = 0, []
    for operation in operations(api_schema):

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def call(case: Any) -> None:
            case.call_and_validate(checks=HELD)

        try:
            call()
        except (Unsatisfiable, SkipTest):  # nothing of it can be wrong
            continue
        except FailureGroup as group:
            wrong += [f"{operation.label}: {each}" for each in group.exceptions]
        called += 1
    assert wrong == []
    assert called >= LEAST[mode]

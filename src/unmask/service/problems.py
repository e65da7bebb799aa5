"""Errors as problem details (RFC 9457): what was wrong, in words, with no path and no trace."""

from __future__ import annotations

import http
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from unmask.report.language.sentences import sentence
from unmask.report.language.translation import in_language
from unmask.service.languages import language_of

MEDIA_TYPE = "application/problem+json"


class ProblemDetails(BaseModel):
    """The body of every error."""

    type: str
    """What kind of error: `about:blank`, or a name that does not change."""
    title: str
    """The kind in words."""
    status: int
    """The HTTP status."""
    detail: str
    """What was wrong this time, and the next step."""


class Problem(Exception):
    """An answer that is an error.

    Args:
        status: HTTP status.
        kind: name of the kind of error, such as `queue-full`.
        detail: what was wrong, and the next step.
        headers: more headers of the answer.
    """

    def __init__(
        self, status: int, kind: str, detail: str, *, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.headers = headers or {}

    def answer(self, language: str = "en") -> JSONResponse:
        """Return it as a response whose detail is in a language."""
        with in_language(language):
            detail = sentence(self.detail)
        body = ProblemDetails(
            type=f"urn:unmask:problem:{self.kind}",
            title=self.kind.replace("-", " ").capitalize(),
            status=self.status,
            detail=detail,
        )
        return JSONResponse(
            body.model_dump(), self.status, headers=self.headers, media_type=MEDIA_TYPE
        )


def not_found() -> Problem:
    """Return the answer for what is not there, or belongs to somebody else."""
    return Problem(404, "not-found", "There is no such scan. It may have been deleted.")


def too_many(kind: str, detail: str, *, seconds: int) -> Problem:
    """Return the answer for a limit that will be free again in some seconds."""
    return Problem(429, kind, detail, headers={"Retry-After": str(seconds)})


RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "model": ProblemDetails,
        "description": http.HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {}},
    }
    for status in (400, 401, 403, 404, 409, 411, 412, 413, 415, 422, 423, 421, 429, 503, 507)
}
"""How the OpenAPI description tells of each status."""


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the descriptions of some statuses."""
    return {status: RESPONSES[status] for status in statuses}


def install(app: FastAPI) -> None:
    """Let an application answer every error as problem details."""

    def problem(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Problem)  # noqa: S101 - registered for it
        return error.answer(language_of(request))

    def invalid(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        text = "; ".join(
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()
        )
        return Problem(422, "invalid-request", text).answer()

    def plain(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # noqa: S101
        phrase = http.HTTPStatus(error.status_code).phrase
        kind = phrase.lower().replace(" ", "-")
        headers = dict(error.headers or {})
        return Problem(error.status_code, kind, f"{phrase}.", headers=headers).answer()

    def away(request: Request, _error: Exception) -> JSONResponse:
        text = "The database does not answer now. Try again later."
        problem = Problem(503, "database-away", text, headers={"Retry-After": "5"})
        return problem.answer(language_of(request))

    app.add_exception_handler(OperationalError, away)
    app.add_exception_handler(Problem, problem)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, plain)

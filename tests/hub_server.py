"""A Hub on loopback: one repository in memory, as much of the protocol as a client needs."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """The server and what it holds.

    Args:
        files: content by name, of `someone/detector` at every revision but `gone`.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.created: list[dict[str, Any]] = []
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def running(files: dict[str, bytes]) -> Iterator[Hub]:
    """Run a Hub in a thread."""
    with Hub(files) as hub:
        thread = threading.Thread(target=hub.serve_forever)
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        self._note()
        if "/resolve/" in self.path:
            self._file(with_body=True)
        elif "gone" in self.path or "/models/someone/detector" not in self.path:
            self._answer(
                {"error": "Revision Not Found"}, 404, **{"X-Error-Code": "RevisionNotFound"}
            )
        elif "/tree/" in self.path:
            self._answer([self._entry(name) for name in self.server.files])
        else:
            names = [{"rfilename": name} for name in self.server.files]
            self._answer({"id": "someone/detector", "sha": COMMIT, "siblings": names})

    def do_HEAD(self) -> None:
        self._note()
        self._file(with_body=False)

    def do_POST(self) -> None:
        self._note()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.endswith("/repos/create"):
            self.server.created.append(json.loads(body))
            self._answer({"url": f"{self.server.url}/someone/detector", "id": "someone/detector"})
        elif "/preupload/" in self.path:
            paths = [each["path"] for each in json.loads(body)["files"]]
            modes = [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in paths]
            self._answer({"files": modes})
        elif "/commit/" in self.path:
            self._commit([json.loads(line) for line in body.splitlines()])
        else:
            self._answer({})

    def _commit(self, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            if line["key"] == "file":
                value = line["value"]
                self.server.files[value["path"]] = base64.b64decode(value["content"])
        url = f"{self.server.url}/someone/detector/commit/{COMMIT}"
        self._answer({"success": True, "commitUrl": url, "commitOid": COMMIT})

    def _note(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")

    def _entry(self, name: str) -> dict[str, Any]:
        content = self.server.files[name]
        oid = hashlib.sha256(content).hexdigest()[:40]
        return {"type": "file", "path": name, "size": len(content), "oid": oid}

    def _file(self, *, with_body: bool) -> None:
        content = self.server.files.get(self.path.rpartition("/")[2])
        if content is None:
            self._answer({}, 404, **{"X-Error-Code": "EntryNotFound"})
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()[:40]}"')
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def _answer(self, content: Any, status: int = 200, **headers: str) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

"""Webhooks: signed, tried again, and never sent into a network."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")
import sqlalchemy as sa

from service.calls import submit
from unmask.service import webhooks
from unmask.service.database import Database, deliveries
from unmask.service.keys import Key, hash_key
from unmask.service.problems import Problem
from unmask.service.webhooks import Deliveries, Refused, check_address, is_public, public_address

SECRET = "a secret of both sides"  # noqa: S105
KEY = Key(name="ann", sha256=hash_key("unmask_ann"), webhook_secret=SECRET)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1",  # noqa: S104
        "169.254.169.254", "100.64.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.1",
        "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1",
    ],
)  # fmt: skip
def test_addresses_inside_networks_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/", "ftp://example.com/", "https:///x", "https://u:p@example.com/",
        "https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/latest/meta-data",
        "https://example.com:99999/", "javascript:alert(1)", "https://[::ffff:10.0.0.1]/",
    ],
)  # fmt: skip
def test_an_address_that_is_never_called_is_refused_at_once(url: str) -> None:
    with pytest.raises(Problem, match="This webhook is not called"):
        check_address(url)


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f.1", "127.1"])
def test_other_spellings_of_this_machine_are_refused(host: str) -> None:
    with pytest.raises(Refused, match=r"not on the public internet|cannot be found"):
        public_address(host, 443)


def test_one_private_address_of_several_is_enough_to_refuse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))
        for address in ("93.184.215.14", "10.0.0.1")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: result)
    with pytest.raises(Refused, match="not on the public internet"):
        public_address("rebound.example", 443)


class Receiver(BaseHTTPRequestHandler):
    """Takes webhooks; answers with the statuses it was given, then 204."""

    statuses: ClassVar[list[int]] = []
    taken: ClassVar[list[tuple[dict[str, str], bytes]]] = []

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        self.taken.append(
            ({k.lower(): v for k, v in self.headers.items()}, self.rfile.read(length))
        )
        status = self.statuses.pop(0) if self.statuses else 204
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "https://127.0.0.1/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, ssl.SSLContext]]:
    """A receiver under TLS on loopback, which alone is let through as if it were public."""
    import subprocess

    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj",
         "/CN=hooks.example", "-addext", "subjectAltName=DNS:hooks.example", "-keyout", str(key),
         "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Receiver.taken, Receiver.statuses = [], []
    monkeypatch.setattr(webhooks, "public_address", lambda *_: "127.0.0.1")
    yield (
        f"https://hooks.example:{server.server_port}/in?a=b",
        ssl.create_default_context(cafile=str(certificate)),
    )
    server.shutdown()
    server.server_close()


def due(database: Database, url: str, owner: str = "ann") -> None:
    with database.writing() as connection:
        connection.execute(
            deliveries.insert().values(
                id="d1", scan_id="s1", owner=owner, url=url, body='{"a":1}', attempts=0, due=0.0
            )
        )


def waiting(database: Database) -> list[tuple[int, float]]:
    query = sa.select(deliveries.c.attempts, deliveries.c.due)
    with database.reading() as connection:
        return [(attempts, at) for attempts, at in connection.execute(query)]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    result = Database(f"sqlite:///{tmp_path / 'hooks.sqlite'}")
    result.upgrade()
    yield result
    result.close()


def test_a_webhook_is_signed_as_its_receiver_checks_it(database: Database, receiver: Any) -> None:
    due(database, receiver[0])
    Deliveries(database, (KEY,), receiver[1]).send_due()
    ((headers, body),) = Receiver.taken
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert json.loads(body) == {"a": 1}
    assert waiting(database) == []


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_webhook_that_is_not_taken_is_sent_again_later(
    database: Database, receiver: Any, status: int
) -> None:
    due(database, receiver[0])
    Receiver.statuses = [status]
    Deliveries(database, (KEY,), receiver[1]).send_due()
    ((attempts, at),) = waiting(database)
    assert attempts == 1
    assert 0 < at - time.time() <= 5
    assert len(Receiver.taken) == 1


def test_a_webhook_is_given_up_in_the_end(database: Database, receiver: Any) -> None:
    due(database, receiver[0])
    sender = Deliveries(database, (KEY,), receiver[1])
    for _ in range(6):
        Receiver.statuses = [500]
        with database.writing() as connection:
            connection.execute(deliveries.update().values(due=0.0))
        sender.send_due()
    assert waiting(database) == []
    assert len(Receiver.taken) == 6


def test_a_certificate_of_another_name_is_not_trusted(database: Database, receiver: Any) -> None:
    due(database, receiver[0].replace("hooks.example", "other.example"))
    Deliveries(database, (KEY,), receiver[1]).send_due()
    assert Receiver.taken == []
    assert waiting(database)[0][0] == 1


@pytest.mark.usefixtures("quick_scans")
def test_the_end_of_a_scan_is_told_without_names_or_scores(start: Any, receiver: Any) -> None:
    client = start(keys=(KEY,))
    client.app.state.service.runner._deliveries._context = receiver[1]
    headers = {"Authorization": "Bearer unmask_ann"}
    scan = submit(client, headers=headers, params={"webhook_url": receiver[0]}).json()
    for _ in range(100):
        if Receiver.taken:
            break
        time.sleep(0.1)
    text = json.loads(Receiver.taken[0][1])
    assert text["type"] == "scan.ended"
    assert text["data"] == {"id": scan["id"], "state": "finished"}


def test_without_a_secret_no_webhook_is_accepted(client: Any) -> None:
    answer = submit(client, params={"webhook_url": "https://example.com/"})
    assert (answer.status_code, answer.json()["type"]) == (
        422,
        "urn:unmask:problem:webhook-address",
    )

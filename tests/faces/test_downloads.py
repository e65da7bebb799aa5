"""Downloads against a real server on loopback."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from unmask.errors import DownloadError, ModelNotFound
from unmask.faces.downloads import MODELS, Model, get, user_folder

CONTENT = bytes(range(256)) * 400


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "ftp://127.0.0.1/model")
            self.end_headers()
        elif self.path == "/model":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(CONTENT)
        elif self.path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[:1000])
        else:
            self.send_error(404)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def model(url="http://127.0.0.1:9/", *, content=CONTENT, max_bytes=200_000):
    digest = hashlib.sha256(content).hexdigest()
    return Model(name="m", url=url, sha256=digest, max_bytes=max_bytes, file="m.onnx")


def test_the_file_arrives_in_a_new_folder(server, tmp_path):
    path = get(model(f"{server}/model"), folder=tmp_path / "new")
    assert path == tmp_path / "new" / "m.onnx"
    assert path.read_bytes() == CONTENT


def test_a_mirror_is_used_where_given(server, tmp_path):
    assert get(model(), folder=tmp_path, url=f"{server}/model").is_file()


def test_a_file_that_is_there_is_not_fetched_again(tmp_path):
    (tmp_path / "m.onnx").write_bytes(CONTENT)
    assert get(model(), folder=tmp_path).read_bytes() == CONTENT


def test_a_damaged_file_is_replaced(server, tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"damaged")
    assert get(model(f"{server}/model"), folder=tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "wanted", "message"),
    [
        ("/model", {"content": b"other"}, "has SHA-256"),
        ("/model", {"max_bytes": 1000}, "larger than 1000 bytes"),
        ("/none", {}, "404"),
        ("/cut", {}, "could not download|has SHA-256"),
        ("/moved", {}, "ftp"),
    ],
)
def test_what_is_not_the_model_leaves_no_file(server, tmp_path, path, wanted, message):
    with pytest.raises(DownloadError, match=message) as caught:
        get(model(server + path, **wanted), folder=tmp_path)
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_no_server_is_a_download_error(tmp_path):
    with pytest.raises(DownloadError, match="could not download m"):
        get(model(), folder=tmp_path)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/m", "m.onnx"])
def test_other_schemes_are_refused(tmp_path, url):
    with pytest.raises(ValueError, match="must be http or https"):
        get(model(), folder=tmp_path, url=url)


def test_the_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("UNMASK_HOME", str(tmp_path))
    assert user_folder() == tmp_path
    monkeypatch.delenv("UNMASK_HOME")
    assert user_folder() == Path.home() / ".local" / "share" / "unmask"


def test_without_a_home_the_next_step_is_told(monkeypatch):
    monkeypatch.delenv("UNMASK_HOME", raising=False)
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    with pytest.raises(ModelNotFound, match="the user has no home folder") as refused:
        user_folder()
    assert "UNMASK_HOME" in refused.value.hint


def test_the_pinned_yunet_is_the_one_that_was_tested(yunet_model):
    assert hashlib.sha256(yunet_model.read_bytes()).hexdigest() == MODELS["yunet"].sha256

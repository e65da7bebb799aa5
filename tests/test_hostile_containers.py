"""Files that name other files or addresses: a scan opens neither, seen from outside the process."""

from __future__ import annotations

import shutil
import struct
import sys
from pathlib import Path

import pytest

import watched
from watched import Watched, watch

EXAMPLE = Path(__file__).parents[1] / "examples" / "original.mp4"
SCAN = [sys.executable, "-c", "from unmask.cli import main; main()", "scan", "--triage"]
PERMISSIVE = """
import sys, av
more = {"protocol_whitelist": "file,crypto,data,subfile,concat,http,tcp", "safe": "0",
        "enable_drefs": "1", "use_absolute_path": "1", "allowed_extensions": "ALL",
        "extension_picky": "0"}
for name in sys.argv[1:]:
    try:
        with av.open(name, options=more) as container:
            next(container.demux())
    except Exception as error:
        print(name, error)
"""
why_unavailable = watched.unavailable()
pytestmark = pytest.mark.skipif(why_unavailable is not None, reason=str(why_unavailable))


def box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I", 8 + len(content)) + kind + content


def alias(target: Path) -> bytes:
    """Make an entry of `dref` that says that a track's data lie in another file."""
    path = str(target).encode()
    path += b"\0" * (len(path) % 2)
    folder = struct.pack(">HH", 2, len(path)) + path + struct.pack(">HH", 0xFFFF, 0)
    head = bytes(10) + b"\0" + bytes(27) + bytes(12) + b"\0" + bytes(63) + bytes(16)
    return box(b"alis", bytes(4), head, bytes(4), bytes(16), folder)


def with_references(data: bytes, target: Path) -> bytes:
    """Replace what each track of an MP4 says of where its data lie, at whatever depth."""
    result, at = b"", 0
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        content = data[at + 8 : at + size]
        if kind == b"dref":
            content = struct.pack(">II", 0, 1) + alias(target)
        elif kind in {b"moov", b"trak", b"mdia", b"minf", b"dinf"}:
            content = with_references(content, target)
        result += box(kind, content)
        at += size
    return result


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hostile files in `in`, and in `secret` what they name."""
    root = tmp_path_factory.mktemp("hostile")
    names = root / "in", root / "secret"
    for each in names:
        each.mkdir()
    inputs, secret = names[0], names[1] / "secret.mp4"
    shutil.copy(EXAMPLE, secret)
    for number in range(3):
        shutil.copy(EXAMPLE, names[1] / f"img{number:03d}.png")
    playlist = (
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n"
    )
    size = secret.stat().st_size
    texts = {
        "hls.m3u8": playlist.format(secret),
        "hls-web.m3u8": playlist.format("http://127.0.0.1:9/a.ts"),
        "hls-data.m3u8": playlist.format("data:video/mp4;base64,AAAA"),
        "hls-subfile.m3u8": playlist.format(f"subfile,,start,0,end,{size},,:{secret}"),
        "hls-key.m3u8": playlist.format(f"{secret}").replace(
            "#EXTINF", f'#EXT-X-KEY:METHOD=AES-128,URI="{secret}"\n#EXTINF'
        ),
        "concat.mp4": f"ffconcat version 1.0\nfile '{secret}'\n",
        "dash.mp4": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>'
        f"{secret}</BaseURL></MPD>",
        "asx.asf": f'<ASX version="3.0"><Entry><Ref href="{secret}"/></Entry></ASX>',
        "reference.asf": "[Reference]\nRef1=http://127.0.0.1:9/a.asf\n",
        "sdp.mp4": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        "picture.svg": f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{secret}"/></svg>',
    }
    for name, text in texts.items():
        (inputs / name).write_text(text)
    (inputs / "dref.mov").write_bytes(with_references(EXAMPLE.read_bytes(), secret))
    return root


def names_like_protocols(folder: Path) -> list[str]:
    """Return what is no file, but FFmpeg would take for a way to one."""
    secret = folder / "secret"
    return [
        f"concat:{secret}/secret.mp4|{secret}/secret.mp4",
        f"subfile,,start,0,end,99,,:{secret}/secret.mp4",
        f"file:{secret}/secret.mp4",
        f"{secret}/img%03d.png",
        f"cache:{secret}/secret.mp4",
        "data:video/mp4;base64,AAAA",
        "http://127.0.0.1:9/a.mp4",
    ]


def opened_secrets(run: Watched, folder: Path) -> list[str]:
    return [path for path in run.paths() if path.startswith(f"{folder / 'secret'}/")]


def test_a_scan_opens_no_socket_and_no_file_that_another_names(folder: Path) -> None:
    inputs = sorted(map(str, (folder / "in").iterdir()))
    run = watch([*SCAN, *inputs, *names_like_protocols(folder)], cwd=folder, reads=True)
    assert run.returncode in {2, 3}, run.stderr
    assert run.sockets() == []
    assert opened_secrets(run, folder) == []
    assert {path for path in run.paths() if path.startswith(f"{folder}/")} >= set(inputs)


def test_the_files_do_name_others_and_a_reader_without_walls_opens_them(folder: Path) -> None:
    names = ["hls.m3u8", "concat.mp4", "dref.mov"]
    for name in names:
        words: list[str | Path] = [sys.executable, "-c", PERMISSIVE, folder / "in" / name]
        run = watch(words, cwd=folder, reads=True)
        assert opened_secrets(run, folder), (name, run.stdout)
    run = watch([sys.executable, "-c", PERMISSIVE, folder / "in" / "hls-web.m3u8"], cwd=folder)
    assert "AF_INET" in run.sockets(), run.stdout

"""What operators copy: unit, container recipe and proxy example hold together."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from unmask.cli.serve import serve
from unmask.service.settings import ServiceSettings

typer = pytest.importorskip("typer")
ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
INSTRUCTIONS = frozenset(
    ["FROM", "WORKDIR", "COPY", "RUN", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT"]
)


def options() -> set[str]:
    """Return the options of `unmask serve`."""
    only = typer.Typer()
    only.command()(serve)
    command = typer.main.get_command(only)
    return {name for each in command.params for name in each.opts}


def lines() -> list[tuple[str, str]]:
    """Return the instructions of the container recipe, each whole, with what follows it."""
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return [
        (name, rest)
        for name, _, rest in (line.partition(" ") for line in text.splitlines() if line)
    ]


def test_the_recipe_has_known_instructions_and_begins_with_an_image() -> None:
    names = [name for name, _ in lines()]
    assert names[0] == "FROM"
    assert set(names) <= INSTRUCTIONS


def test_the_recipe_copies_what_is_there_and_all_that_the_package_needs() -> None:
    copied = {p for name, rest in lines() if name == "COPY" for p in shlex.split(rest)[:-1]}
    assert all((ROOT / path).exists() for path in copied)
    assert {"pyproject.toml", "README.md", "LICENSE", "src", "constraints.txt"} <= copied


def test_the_recipe_serves_as_nobody_special_with_options_that_exist() -> None:
    text = dict(lines())
    assert text["USER"] not in {"root", "0"}
    words = re.findall(r'"([^"]*)"', text["ENTRYPOINT"])
    assert words[:2] == ["unmask", "serve"]
    assert {word for word in words if word.startswith("--")} <= options()
    assert "--keys" in words


def test_shell_commands_of_the_recipe_parse() -> None:
    for name, rest in lines():
        if name == "RUN":
            subprocess.run(["sh", "-n", "-c", rest], check=True)


def test_the_unit_starts_the_service_with_options_that_exist() -> None:
    text = (DEPLOY / "unmask.service").read_text(encoding="utf-8")
    (start,) = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    words = shlex.split(start)
    assert {word for word in words if word.startswith("--")} <= options()
    assert "User=unmask" in text


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    program = shutil.which("true")
    text = (DEPLOY / "unmask.service").read_text(encoding="utf-8")
    unit = tmp_path / "unmask.service"
    unit.write_text(text.replace("/opt/unmask/bin/unmask", str(program)), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, [x for x in done.stderr.splitlines() if "unmask.service" in x]) == (
        0,
        [],
    )


def test_the_proxy_lets_the_largest_upload_through() -> None:
    text = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    (most,) = re.findall(r"client_max_body_size (\d+)g;", text)
    default = ServiceSettings(data=Path()).max_upload_bytes
    assert int(most) * 2**30 >= default


@pytest.mark.system
@pytest.mark.skipif(
    not (shutil.which("nginx") and shutil.which("openssl")), reason="nginx or openssl is missing"
)
def test_nginx_accepts_the_example(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "chain.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=x",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    text = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    text = re.sub(r"/etc/letsencrypt/\S+fullchain.pem", str(certificate), text)
    text = re.sub(r"/etc/letsencrypt/\S+privkey.pem", str(key), text)
    whole = tmp_path / "nginx.conf"
    whole.write_text(f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\n{text}\n}}\n", encoding="utf-8")
    done = subprocess.run(
        ["nginx", "-t", "-q", "-c", str(whole)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

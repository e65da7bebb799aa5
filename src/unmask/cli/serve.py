"""`unmask serve`: the web page and the HTTP service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def serve(  # noqa: PLR0917 - the parameters are the options
    host: Annotated[
        str, typer.Option(help="Address to listen on; one that others reach needs --keys.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 for any that is free.")] = 8000,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of uploads, results and the embedded database.",
            show_default="~/.local/state/unmask",
        ),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(
            envvar="UNMASK_DATABASE_URL",
            help="PostgreSQL for several services, as postgresql://user@host/name.",
            show_default="SQLite in the data folder",
        ),
    ] = None,
    keys: Annotated[
        Path | None, typer.Option(help="TOML file of API keys.", show_default="none")
    ] = None,
    new_key: Annotated[
        str | None,
        typer.Option(help="Print a new key and its entry for the file of keys; serve nothing."),
    ] = None,
    signing_key: Annotated[
        Path | None,
        typer.Option(
            help="Private key (Ed25519, PEM) that signs evidence bundles.", show_default="none"
        ),
    ] = None,
    public_host: Annotated[
        list[str] | None,
        typer.Option(help="Name by which it is reached from outside; repeat for several."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Files that are scanned at a time.")] = 1,
    detector: Annotated[
        str | None,
        typer.Option(help="A folder or name of a detector.", show_default="the shipped one"),
    ] = None,
    queue_limit: Annotated[
        int, typer.Option(min=1, help="Most scans that wait or run; more are refused.")
    ] = 100,
    max_upload_mb: Annotated[int, typer.Option(min=1, help="Largest upload, MiB.")] = 2048,
    storage_gb: Annotated[int, typer.Option(min=1, help="Most of all uploads, GiB.")] = 50,
    retention_hours: Annotated[
        float,
        typer.Option(
            min=0,
            help="Hours after which a scanned file and its result are deleted; 0 keeps nothing "
            "after the answer.",
        ),
    ] = 24.0,
) -> None:
    """Serve the web page and the HTTP API.

    Without options: for the person at this machine, at http://127.0.0.1:8000.
    """
    if new_key is not None:
        _print_key(new_key)
        return
    from unmask.service.keys import read_keys
    from unmask.service.serving import serve as serve_until_stopped
    from unmask.service.settings import ServiceSettings, default_folder
    from unmask.service.signing import read_signer

    settings = ServiceSettings(
        data=data or default_folder(),
        host=host,
        port=port,
        database_url=database,
        signer=None if signing_key is None else read_signer(signing_key),
        keys=() if keys is None else read_keys(keys),
        public_hosts=tuple(public_host or ()),
        workers=workers,
        detector=detector,
        queue_limit=queue_limit,
        max_upload_bytes=max_upload_mb * 2**20,
        storage_bytes=storage_gb * 2**30,
        retention_seconds=retention_hours * 3600,
    )
    serve_until_stopped(settings)


def _print_key(name: str) -> None:
    """Print a key and the entry that knows it."""
    from unmask.service.keys import new_key

    key, entry = new_key(name)
    typer.echo(f"# key, shown only now; give it to {name}: {key}\n{entry}", nl=False)

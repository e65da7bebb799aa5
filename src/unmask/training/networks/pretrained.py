"""Whether ImageNet weights can be had: from the caches of timm's sources, or from the internet."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import timm
import torch
from huggingface_hub import constants, try_to_load_from_cache
from timm.models import _hub

from unmask.core.errors import DownloadError

_ANSWER_SECONDS = 2.0
"""Longest wait for a server's first answer."""


def check_reachable(name: str) -> None:
    """Refuse to wait for weights that are not here while their server does not answer.

    The Hub's client would try for more than a minute.

    Raises:
        DownloadError: so it is.
    """
    config = timm.get_pretrained_cfg(name)
    if config is None or constants.HF_HUB_OFFLINE:
        return
    if config.hf_hub_id:
        files = (_hub.HF_SAFE_WEIGHTS_NAME, _hub.HF_WEIGHTS_NAME)
        known = [try_to_load_from_cache(config.hf_hub_id, file) for file in files]
        cached = any(isinstance(path, str) for path in known)
        address = constants.ENDPOINT
    else:
        address = str(config.url)
        file = Path(torch.hub.get_dir(), "checkpoints", address.rpartition("/")[2])
        cached = file.is_file()
    if cached:
        return
    request = urllib.request.Request(address, method="HEAD")  # noqa: S310 - timm's or the Hub's own
    try:
        urllib.request.urlopen(request, timeout=_ANSWER_SECONDS).close()  # noqa: S310 - the same
    except urllib.error.HTTPError:
        return  # it answers
    except OSError as error:
        raise unreachable(name, error) from error


def unreachable(name: str, error: OSError) -> DownloadError:
    """Return the error that says what to do without the internet."""
    return DownloadError(
        f"the ImageNet weights of {name} could not be fetched: {str(error).splitlines()[0]}",
        hint="connect to the internet once, give a local file as weights, or start at random: "
        "--set network.weights=null",
    )

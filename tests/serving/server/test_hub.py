"""Whether a hub is there: asked of a port that listens, and of one that does not."""

import re
import socket

import pytest
from tests.ports import free_port

from clary.serving.server.frameworks import hub


def test_a_hub_that_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        hub.check("acme/tiny", f"http://127.0.0.1:{listening.getsockname()[1]}", {})


def test_a_hub_that_does_not_says_what_to_do() -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    told = f"a model of the hub at {endpoint}, which cannot be reached .*`hf download acme/tiny --local-dir model`"
    with pytest.raises(hub.Unreachable, match=told):
        hub.check("acme/tiny", endpoint, {})
    # What lies behind a proxy is not known here.
    hub.check("acme/tiny", endpoint, {"HTTPS_PROXY": "http://127.0.0.1:1"})


def test_offline_by_the_librarys_own_variable() -> None:
    with pytest.raises(hub.Unreachable, match=re.escape("(HF_HUB_OFFLINE is set)")):
        hub.check("acme/tiny", "https://huggingface.co", {"HF_HUB_OFFLINE": "1"})

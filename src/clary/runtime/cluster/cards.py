"""The network card on which hosts on several nodes meet: a plan can only name the server's. A node puts in its own."""

import json
from collections.abc import Mapping

import psutil

NAMES_IT, KEY = "resourceconfig.json", "network_interface_name"


def named(files: Mapping[str, bytes], address: str) -> dict[str, bytes]:
    """An instance's files, with the card that has this address where one is named."""
    card = _card(address)
    return {path: _put(text, card) if card and path.endswith(NAMES_IT) else text for path, text in files.items()}


def _put(text: bytes, card: str) -> bytes:
    told = json.loads(text)
    return json.dumps(told | {KEY: card}).encode() if KEY in told else text


def _card(address: str) -> str:
    found = psutil.net_if_addrs() if address else {}
    return next((card for card, known in found.items() if any(one.address == address for one in known)), "")

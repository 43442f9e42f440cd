"""`clary env`: shell lines, or one JSON object, that point AWS clients here."""

import msgspec

from clary.cli import clientenv
from clary.settings import Settings


def env(settings: Settings, *, as_json: bool) -> None:
    """Raises `NotStarted` before the first `clary up`."""
    if as_json:
        print(msgspec.json.encode(clientenv.variables(settings)).decode())
    else:
        print("\n".join(clientenv.exports(settings)))

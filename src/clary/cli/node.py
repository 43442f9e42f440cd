"""`clary node`: this machine as a node of the Ray cluster that `clary up --backend ray` runs instances on.

It becomes Ray's own process, in the foreground: Ctrl-C takes the machine out of the cluster.
"""

import importlib.util
import json
import os
import sys

from clary.cli.failures import CliFailure
from clary.runtime import limits
from clary.settings import Settings

OBJECT_STORE_BYTES = 256 * 1024 * 1024
"""Only what starts an instance passes through Ray; data does not."""


class CannotJoin(CliFailure):
    """Ray is not there."""


def node(settings: Settings, *, action: str, address: str = "", ray_port: int = 0, slots: int | None = None) -> None:
    """Does not return. Raises `CannotJoin`."""
    if importlib.util.find_spec("ray") is None:
        raise CannotJoin("the package ray is not installed: pip install 'clary[ray]'")
    takes = slots or settings.slots or max(2, 4 * limits.cores())
    where = (
        [f"--address={address}"] if action == "join" else ["--head", f"--port={ray_port}", "--include-dashboard=false"]
    )
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"]
    own = [f"--object-store-memory={OBJECT_STORE_BYTES}", f"--resources={json.dumps({'clary_slot': takes})}"]
    os.execve(sys.executable, [*ray, *where, *own], os.environ | environment(settings))


def environment(settings: Settings) -> dict[str, str]:
    """What the node's actors find their places by. A server's home may be the same."""
    return {
        "CLARY_NODE_HOME": str(settings.home / "node"),
        "CLARY_ENVIRONMENTS": str(settings.environments or settings.home / "environments"),
    }

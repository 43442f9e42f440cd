"""Runtime environments: the libraries a managed image would bring, built by uv once and shared read-only.

`<name>.in` says what is wanted, `<name>.txt` is the lock: `uv pip compile --universal --python-version 3.11
--no-header --no-annotate -o <name>.txt <name>.in`. Where an environment lies depends on its lock, the interpreter and
the platform; it appears by rename, whole. Nothing of a user's is ever installed into it (`layer.py`).
"""

from clary.runtime.environments.build import BuildFailed
from clary.runtime.environments.shelf import Shelf

__all__ = ["BuildFailed", "Shelf"]

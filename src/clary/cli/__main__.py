"""`python -m clary.cli` is the `clary` command."""

import sys

from clary.cli.main import app

sys.exit(app())

"""The program the runtime starts when a training image's own command is wanted: `python .../toolkit/train.py`.

Only makes the package importable, wherever it is mounted, and hands over.
"""

import os
import sys

if __name__ == "__main__":
    # In place of this folder, if it is on the path: its module names would hide others'.
    sys.path[0 : not sys.flags.isolated] = [os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 3))]  # noqa: PTH100, PTH118, PTH120
    from clary.runtime.toolkit.main import main

    sys.exit(main())

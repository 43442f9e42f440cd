"""What the sandbox of a serving instance runs: unpack the model, install the user's requirements, serve.

Ends with status 1 when the model cannot be loaded; the reason is then in the log. Once one worker has loaded it,
a worker that dies is replaced and the others go on.
"""

import logging
import os
import sys

from clary.serving.server import setup, workers
from clary.serving.server.app import load
from clary.serving.server.config import Config, from_environment


def main() -> None:
    log_to_output()
    config = from_environment(os.environ)
    setup.unpack(config)
    begin(config)


def log_to_output() -> None:
    logging.basicConfig(level=int(os.environ.get("SAGEMAKER_CONTAINER_LOG_LEVEL") or logging.INFO), stream=sys.stdout)


def begin(config: Config) -> None:
    """With everything unpacked. Returns never."""
    setup.install_requirements(config)
    setup.make_register(config)
    sys.exit(workers.serve(config, load))


if __name__ == "__main__":
    main()

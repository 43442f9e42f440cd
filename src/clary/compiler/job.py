"""What the sandbox of a compilation job runs: unpack, read, compile in each way there is, compare, measure, choose.

Reads `/opt/ml/input/config/compilationjob.json` and the archive, writes the artefact's files to `/opt/ml/model`. Ends
with 2 when the model or what was said of it is at fault; why lies in `/opt/ml/output/failure` then.
"""

import json
import logging
import os
import shutil
import sys
import time
import traceback
import warnings
from pathlib import Path

from clary.compiler import shapes
from clary.compiler.failures import Disagreement, Unsuitable
from clary.compiler.manifest import FILE, REPORT

CALLER_FAULT, OWN_FAULT = 2, 1
CONFIG = "input/config/compilationjob.json"
ARCHIVE = "input/archive/model.tar.gz"
DERIVED = "derived.json"
ROWS = 500
"""Sampled to compare; fewer where a call has to have a certain number."""

logger = logging.getLogger(__name__)


def main() -> int:
    # The log is the caller's: one form for all lines.
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout, force=True)
    warnings.simplefilter("ignore")
    # TensorFlow tells of itself at length. Set before it is imported: a part of it is no Python.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.getLogger("absl").setLevel(logging.ERROR)
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR") or "/opt/ml")
    try:
        run(base)
    except (Unsuitable, Disagreement) as error:
        return _failed(base, str(error), CALLER_FAULT)
    except Exception as error:
        traceback.print_exc()
        return _failed(base, f"{type(error).__name__}: {error}", OWN_FAULT)
    return 0


def run(base: Path) -> None:
    """Raises `Unsuitable` or `Disagreement`."""
    config = json.loads((base / CONFIG).read_text())
    given = unpacked(base)
    inputs = shapes.parse(config["data_input_config"])
    # After unpacking and parsing: loading the frameworks takes seconds.
    from clary.compiler import sources
    from clary.compiler.choose import choose

    wanted = sources.Wanted(
        inputs, config["dtype"], config["input_dtype"], config["device"], max(1, int(config["threads"]))
    )
    logger.info("Compiling a %s model for %s", config["framework"], config["target"])
    source = sources.load(config["framework"], given, wanted)
    model = base / "model"
    report = choose(source, wanted, config, model, ROWS)
    for name, write in source.extra.items():
        if not (model / name).exists():
            write(model / name)
    carry_over(given, source.files, model)
    (model / REPORT).write_text(json.dumps(report, indent=1) + "\n")
    if source.inputs:
        (base / "output" / DERIVED).write_text(json.dumps(shapes.text(source.inputs)))


def unpacked(base: Path) -> Path:
    """The archive's folder. Raises `Unsuitable`."""
    from clary.runtime.archive import BadArchive, extract

    begun = time.monotonic()
    folder = base / "unpacked"
    try:
        extract(base / ARCHIVE, folder)
    except BadArchive as error:
        raise Unsuitable(f"Unable to untar input model. Please confirm the model is a tar.gz file: {error}") from error
    logger.info("Unpacked the input model in %.1f s", time.monotonic() - begun)
    return folder


def carry_over(given: Path, own: frozenset[Path], model: Path) -> None:
    """What came with the model, such as `code/`; what the artefact has itself is not replaced."""
    for file in sorted(given.rglob("*")):
        target = model / file.relative_to(given)
        if file.is_symlink() or not file.is_file() or file in own or target.exists() or target.name == FILE:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


def _failed(base: Path, text: str, code: int) -> int:
    logger.error("%s", text)
    (base / "output").mkdir(exist_ok=True)
    (base / "output" / "failure").write_text(text[:1024])
    return code


if __name__ == "__main__":
    sys.exit(main())

"""`python -m benchmarks.run [--quick] [measure...]`: run measures and write each into docs/performance.md.

`--quick` runs each with tiny counts and writes nothing: it only shows that they work.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks import (
    channels,
    compiled,
    control_plane,
    deployments,
    downloads,
    first_line,
    invocations,
    many_jobs,
    multi_model,
    objects,
    processing,
    ray_jobs,
    serverless,
    start_and_memory,
    transform,
)

MEASURES = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        *(start_and_memory, control_plane, first_line, processing, channels, many_jobs, invocations, objects),
        downloads,
        ray_jobs,
        transform,
        deployments,
        multi_model,
        serverless,
        compiled,
    )
}

GROUPS = {"inference": ("invocations", "deployments", "multi_model", "serverless", "transform", "compiled")}
"""Measures that are asked for together, by one name."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("measures", nargs="*", choices=[*MEASURES, *GROUPS, []], help="all by default")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    for name in [each for named in given.measures or MEASURES for each in GROUPS.get(named, (named,))]:
        print(f"{name} ...", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="clary-bench-") as folder:
            section = MEASURES[name].measure(Path(folder), given.quick)
        print(section.markdown())
        if not given.quick:
            section.write()


if __name__ == "__main__":
    main()

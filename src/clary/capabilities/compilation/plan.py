"""From a compilation job's record to the workload that runs it. Pure: everything found elsewhere comes in `Site`."""

import json
import math
from typing import Any

import msgspec

from clary.capabilities.compilation import options, targets
from clary.capabilities.compilation.places import ARCHIVE, CONFIG, MODEL, OUTPUT, UNPACKED, Staging
from clary.capabilities.jobs.site import Site
from clary.resources.records import Record
from clary.runtime import listing
from clary.runtime.workload import Instance, Mount, Workload

HOST = "algo-1"
GRACE_SECONDS = 30.0
LOG_GROUP = "/aws/sagemaker/CompilationJobs"
LONGEST_SECONDS = 3600
"""Of a job whose StoppingCondition names no time."""


def plan(record: Record, site: Site) -> Workload:
    """The workload, always the same for the same record and site. Without a network: what it reads is untrusted."""
    staging = Staging(site.jobs, record.id)
    limits = msgspec.structs.replace(site.limits, run_seconds=run_seconds(record), grace_seconds=GRACE_SECONDS)
    return Workload(
        id=record.id,
        key=record.id,
        wake=site.wake,
        image=targets.compiler(record.spec, record.region),
        purpose="process",
        entrypoint=("python", "-m", "clary.compiler.job"),
        folders=(MODEL, OUTPUT, UNPACKED),
        instances=(
            Instance(
                host=HOST,
                log=site.logs.get(HOST, ""),
                files={CONFIG: json.dumps(config(record, site)).encode()},
                mounts=(Mount(source=str(staging.input), target=ARCHIVE),),
            ),
        ),
        limits=limits,
        isolated=True,
        endpoint=site.endpoint,
        objects={str(staging.input): str(listing.place(staging.folder, staging.input))},
        store=site.store,
    )


def run_seconds(record: Record) -> int:
    return int(record.spec["StoppingCondition"].get("MaxRuntimeInSeconds", LONGEST_SECONDS))


def config(record: Record, site: Site) -> dict[str, Any]:
    """What `clary.compiler.job` reads."""
    output = record.spec["OutputConfig"]
    wanted = options.parse(output.get("CompilerOptions"))
    return {
        "framework": record.spec["InputConfig"]["Framework"],
        "data_input_config": record.spec["InputConfig"].get("DataInputConfig", ""),
        "target": targets.name(output),
        "device": targets.device(output),
        "dtype": wanted.dtype,
        "input_dtype": wanted.input_dtype,
        "threads": max(1, math.floor(site.limits.cpus or 1)),
        "notes": [f"CompilerOptions that mean nothing here: {', '.join(wanted.unused)}."] if wanted.unused else [],
    }

"""`smspark-submit`: run one Spark application on all hosts of a processing job. Its exit code is the driver's.

The other hosts run a worker and end, with 0, when the driver has ended.
"""

import argparse
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from clary.runtime.spark import cluster, configuration, options
from clary.runtime.spark.cluster import Cluster, Daemons, Line, NoCluster
from clary.runtime.spark.configuration import BadConfiguration
from clary.runtime.spark.events import Events

SOME_BYTES = 4 * 1024**3
"""Memory of an instance whose type says nothing of it."""


def main(words: Sequence[str] | None = None) -> int:
    wanted = options.parse(sys.argv[1:] if words is None else words)
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    try:
        return _run(wanted, Cluster(base, os.environ), base)
    except (NoCluster, BadConfiguration) as error:
        print(f"smspark-submit: {error}", file=sys.stderr, flush=True)
        return 1


def _run(wanted: argparse.Namespace, here: Cluster, base: Path) -> int:
    work = Path(tempfile.gettempdir()) / "spark"
    cores = cluster.cores(os.environ)
    total = int(os.environ.get("CLARY_MEMORY_BYTES") or SOME_BYTES)
    driver, executor = configuration.memory(total, alone=len(here.hosts) == 1)
    (work / "work").mkdir(parents=True, exist_ok=True)
    defaults = _defaults(here, work, cores, driver, executor) | _events(wanted, work)
    configuration.write(work / "conf", defaults, base)
    environ = _environ(here, work)
    home = Path(environ["SPARK_HOME"])
    with Daemons(home, environ) as daemons:
        if len(here.hosts) > 1 and here.is_first:
            daemons.start_master(here)
        if len(here.hosts) > 1:
            daemons.start_worker(here, cores, executor)
        if not here.is_first:
            cluster.wait_for_end(here, daemons)
            return 0
        command = [str(home / "bin" / "spark-submit"), "--master", here.master, *options.of_spark_submit(wanted)]
        target = wanted.local_spark_event_logs_dir
        with Line(here), Events(work / "events", Path(target) if target else None):
            if len(here.hosts) > 1:
                cluster.wait_for_workers(here, daemons)
            return _drive(command, environ, work)


def _drive(command: list[str], environ: dict[str, str], work: Path) -> int:
    """The driver's exit code; a request to end is passed on to it."""
    process = subprocess.Popen(command, env=environ, cwd=work)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    code = process.wait()
    return 128 - code if code < 0 else code


def _defaults(here: Cluster, work: Path, cores: int, driver: int, executor: int) -> dict[str, str]:
    return {
        "spark.driver.memory": f"{driver}m",
        "spark.driver.host": here.host if len(here.hosts) > 1 else "127.0.0.1",
        "spark.driver.bindAddress": here.address(),
        "spark.executor.memory": f"{executor}m",
        "spark.executor.cores": str(cores),
        "spark.default.parallelism": str(2 * cores * len(here.hosts)),
        # Every host keeps what its own tasks wrote, and all hosts upload to one place.
        "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version": "2",
        "spark.local.dir": str(work / "local"),
        "spark.sql.warehouse.dir": str(work / "warehouse"),
        "spark.jars.ivy": str(work / "ivy"),
        # It would listen on the machine's own network where the job shares that.
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        **configuration.reaching(os.environ),
    }


def _events(wanted: argparse.Namespace, work: Path) -> dict[str, str]:
    if wanted.spark_event_logs_s3_uri:
        folder = wanted.spark_event_logs_s3_uri.replace("s3://", "s3a://", 1)
    elif wanted.local_spark_event_logs_dir:
        folder = f"file:{work / 'events'}"
    else:
        return {}
    return {"spark.eventLog.enabled": "true", "spark.eventLog.dir": folder}


def _environ(here: Cluster, work: Path) -> dict[str, str]:
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise NoCluster("this runtime has no pyspark")
    conf, python = str(work / "conf"), shutil.which("python3") or sys.executable
    return dict(os.environ) | {
        "SPARK_HOME": str(Path(spec.origin).parent),
        "SPARK_CONF_DIR": conf,
        "HADOOP_CONF_DIR": conf,
        "SPARK_LOCAL_IP": here.address(),
        "SPARK_LOCAL_HOSTNAME": here.host if len(here.hosts) > 1 else "localhost",
        "SPARK_WORKER_DIR": str(work / "work"),
        "SPARK_DAEMON_MEMORY": f"{configuration.DAEMON_MIB}m",
        "SPARK_NO_DAEMONIZE": "1",
        "PYSPARK_PYTHON": python,
        "PYSPARK_DRIVER_PYTHON": python,
        "PYTHONHASHSEED": "0",
    }

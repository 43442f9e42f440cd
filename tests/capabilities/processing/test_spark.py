"""Real Spark, from PyPI on this machine's Java: one host in local mode.

Two hosts are a journey of the SDK's.
"""

import csv
import io
import json
from typing import Any

import pytest
from tests.capabilities.processing.journey import Journey
from tests.capabilities.processing.records import ROOT, outputs, request, source, target

from clary.runtime import java

pytestmark = [
    pytest.mark.skipif(java.find() is None, reason="no Java that Spark runs on"),
    pytest.mark.timeout(600),
]

APP = """
import os, socket, sys
from pyspark.sql import SparkSession, functions as f
from helper import doubled

spark = SparkSession.builder.appName(sys.argv[1]).getOrCreate()
rows = spark.read.csv("file:///opt/ml/processing/input/data", header=True, inferSchema=True)
print("rows", rows.count(), "master", spark.sparkContext.master, "own", spark.conf.get("spark.my.word"))
seen = spark.sparkContext.parallelize(range(8), 8).map(lambda _: socket.gethostname()).distinct().collect()
print("hosts", ",".join(sorted(seen)))
totals = rows.repartition(4).withColumn("twice", doubled(f.col("amount")))
totals.groupBy("city").agg(f.sum("twice").alias("total")).repartition(4).write.csv(
    "file:///opt/ml/processing/output/totals", mode="overwrite")
spark.stop()
if sys.argv[2] == "fail":
    sys.exit(3)
"""
HELPER = """
def doubled(column):
    return column * 2
"""


QUICK = {
    "spark.sql.shuffle.partitions": "4",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.executor.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}
"""For jobs that end before a compiler pays."""


def submit(journey: Journey, name: str, count: int, word: str = "") -> Any:
    """As PySparkProcessor asks for it."""
    table = "city,amount\n" + "".join(f"{'abc'[number % 3]},{number}\n" for number in range(300))
    journey.put(f"{name}/data/rows.csv", table)
    journey.put(f"{name}/code/app.py", APP)
    journey.put(f"{name}/py-files/helper.py", HELPER)
    settings = [{"Classification": "spark-defaults", "Properties": {"spark.my.word": "hello", **QUICK}}]
    journey.put(f"{name}/conf/configuration.json", json.dumps(settings))
    app = ["--py-files", f"{ROOT}/input/py-files", "--local-spark-event-logs-dir", f"{ROOT}/spark-events/"]
    journey.sagemaker.create_processing_job(
        **request(
            name,
            *("smspark-submit", *app, f"{ROOT}/input/code/app.py", "sums", word),
            framework="spark",
            count=count,
            ProcessingInputs=[source(part, f"{name}/{part}/") for part in ("data", "code", "py-files", "conf")],
            **outputs(
                target("totals", f"{name}/out"), target("events", f"{name}/events", "spark-events/", "Continuous")
            ),
        )
    )
    return journey.finished(name, 550)


def totals(journey: Journey, name: str) -> dict[str, int]:
    found = journey.stored(f"{name}/out/")
    text = "".join(text for key, text in found.items() if key.startswith("part-"))
    return {row[0]: int(float(row[1])) for row in csv.reader(io.StringIO(text))}


EXPECTED = {"abc"[rest]: 2 * sum(range(rest, 300, 3)) for rest in range(3)}


def test_one_host_and_the_drivers_exit_code_is_the_jobs(journey: Journey) -> None:
    found = submit(journey, "spark-one", 1, "fail")
    told = (found["ProcessingJobStatus"], found["FailureReason"])
    assert told == ("Failed", "AlgorithmError: See job logs for more information"), journey.told("spark-one")
    assert "rows 300 master local[*] own hello" in journey.log("spark-one"), journey.told("spark-one")
    assert totals(journey, "spark-one") == EXPECTED
    (events,) = journey.stored("spark-one/events/").values()
    assert '"Event":"SparkListenerApplicationEnd"' in events

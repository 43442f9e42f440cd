"""Sums a column by another, with Spark; run by the PySpark journeys, which may name the hosts that are to take part."""

import socket
import sys

from pyspark.sql import SparkSession

source, target, *hosts = sys.argv[1:]
spark = SparkSession.builder.getOrCreate()
frame = spark.read.csv(f"file://{source}", header=True, inferSchema=True)
frame.groupBy("species").sum("width").coalesce(1).write.mode("overwrite").csv(f"file://{target}", header=True)
print("summed", frame.count(), "rows with Spark", spark.version)
seen = spark.sparkContext.parallelize(range(8), 8).map(lambda _: socket.gethostname()).distinct().collect()
assert not hosts or sorted(seen) == hosts, seen
spark.stop()

"""Sums a column by another, with Spark; run by the PySpark journeys."""

import sys

from pyspark.sql import SparkSession

source, target = sys.argv[1:]
spark = SparkSession.builder.getOrCreate()
frame = spark.read.csv(f"file://{source}", header=True, inferSchema=True)
frame.groupBy("species").sum("width").coalesce(1).write.mode("overwrite").csv(f"file://{target}", header=True)
print("summed", frame.count(), "rows with Spark", spark.version)
spark.stop()

"""SDK v2: PySparkProcessor sums a real table on two instances; event logs are published."""

from pathlib import Path

import sagemaker
from sagemaker.processing import ProcessingInput, ProcessingOutput
from sagemaker.s3 import S3Downloader
from sagemaker.spark.processing import PySparkProcessor
from sklearn.datasets import load_iris

ROOT = "/opt/ml/processing"
JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
QUICK = {
    "spark.sql.shuffle.partitions": "4",
    "spark.driver.extraJavaOptions": JAVA,
    "spark.executor.extraJavaOptions": JAVA,
}
session = sagemaker.Session()
bucket = session.default_bucket()
iris = load_iris()
text = "species,width\n" + "".join(
    f"{iris.target_names[kind]},{row[1]}\n" for row, kind in zip(iris.data, iris.target, strict=True)
)
uri = session.upload_string_as_file_body(text, bucket, "v2-spark/data/iris.csv")
spark = PySparkProcessor(
    framework_version="3.3",
    role=sagemaker.get_execution_role(session),
    instance_type="ml.m5.xlarge",
    instance_count=2,
    max_runtime_in_seconds=600,
)
spark.run(
    submit_app=str(Path(__file__).parent / "code" / "processing" / "sums.py"),
    inputs=[ProcessingInput(source=uri, destination=f"{ROOT}/input/data", input_name="data")],
    outputs=[ProcessingOutput(source=f"{ROOT}/output/sums", output_name="sums")],
    arguments=[f"{ROOT}/input/data", f"{ROOT}/output/sums", "algo-1", "algo-2"],
    configuration=[{"Classification": "spark-defaults", "Properties": QUICK}],
    spark_event_logs_s3_uri=f"s3://{bucket}/v2-spark/events",
    logs=False,
)
job = spark.latest_job
assert job.describe()["ProcessingJobStatus"] == "Completed", job.describe()
found = S3Downloader.list(job.outputs[0].destination, sagemaker_session=session)
(part,) = [each for each in found if each.rpartition("/")[2].startswith("part-")]
rows = S3Downloader.read_file(part, sagemaker_session=session).splitlines()[1:]
sums = {row.split(",")[0]: round(float(row.split(",")[1]), 1) for row in rows}
assert sums == {"setosa": 171.4, "versicolor": 138.5, "virginica": 148.7}, sums
events = S3Downloader.list(f"s3://{bucket}/v2-spark/events", sagemaker_session=session)
assert len(events) == 1, events

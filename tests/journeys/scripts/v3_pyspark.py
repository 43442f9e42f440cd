"""SDK v3: PySparkProcessor sums a real table on one instance."""

from pathlib import Path

from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.s3 import S3Downloader
from sagemaker.core.shapes import ProcessingInput, ProcessingOutput, ProcessingS3Input, ProcessingS3Output
from sagemaker.core.spark.processing import PySparkProcessor
from sklearn.datasets import load_iris

ROOT = "/opt/ml/processing"
session = Session()
bucket = session.default_bucket()
iris = load_iris()
text = "species,width\n" + "".join(
    f"{iris.target_names[kind]},{row[1]}\n" for row, kind in zip(iris.data, iris.target, strict=True)
)
uri = session.upload_string_as_file_body(text, bucket, "v3-spark/data/iris.csv")
spark = PySparkProcessor(
    framework_version="3.3",
    role=get_execution_role(session),
    instance_type="ml.m5.xlarge",
    instance_count=1,
    sagemaker_session=session,
)
place = ProcessingS3Input(s3_uri=uri, local_path=f"{ROOT}/input/data", s3_data_type="S3Prefix", s3_input_mode="File")
sums = ProcessingS3Output(
    s3_uri=f"s3://{bucket}/v3-spark/out", local_path=f"{ROOT}/output/sums", s3_upload_mode="EndOfJob"
)
spark.run(
    submit_app=str(Path(__file__).parent / "code" / "processing" / "sums.py"),
    inputs=[ProcessingInput(input_name="data", s3_input=place)],
    outputs=[ProcessingOutput(output_name="sums", s3_output=sums)],
    arguments=[f"{ROOT}/input/data", f"{ROOT}/output/sums"],
    logs=False,
)
found = S3Downloader.list(f"s3://{bucket}/v3-spark/out", sagemaker_session=session)
(part,) = [each for each in found if each.rpartition("/")[2].startswith("part-")]
rows = S3Downloader.read_file(part, sagemaker_session=session).splitlines()[1:]
found = {row.split(",")[0]: round(float(row.split(",")[1]), 1) for row in rows}
assert found == {"setosa": 171.4, "versicolor": 138.5, "virginica": 148.7}, found

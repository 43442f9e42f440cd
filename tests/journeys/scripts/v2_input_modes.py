"""SDK v2: XGBoost from a pipe, its uncompressed model deployed; FastFile and an augmented manifest in a script, whose
tensors and events are found in S3."""

import gzip
import json
from pathlib import Path

import numpy as np
import sagemaker
from sagemaker.debugger import DebuggerHookConfig, TensorBoardOutputConfig
from sagemaker.deserializers import CSVDeserializer
from sagemaker.inputs import TrainingInput
from sagemaker.s3 import S3Downloader
from sagemaker.serializers import CSVSerializer
from sagemaker.sklearn import SKLearn
from sklearn.datasets import load_breast_cancer

session = sagemaker.Session()
role, bucket = sagemaker.get_execution_role(session), session.default_bucket()
s3 = session.boto_session.client("s3", endpoint_url=session.sagemaker_client.meta.endpoint_url)
features, labels = load_breast_cancer(return_X_y=True)
rows = np.column_stack([labels, features])
for number, part in enumerate(np.array_split(rows[:400], 4)):
    text = "".join(",".join(map(str, row)) + "\n" for row in part)
    s3.put_object(Bucket=bucket, Key=f"v2-modes/train/{number}.csv.gz", Body=gzip.compress(text.encode()))
estimator = sagemaker.estimator.Estimator(
    sagemaker.image_uris.retrieve("xgboost", session.boto_region_name, "1.7-1"),
    role,
    instance_count=1,
    instance_type="ml.m5.large",
    input_mode="Pipe",
    disable_output_compression=True,
    hyperparameters={"objective": "binary:logistic", "num_round": 40, "eval_metric": "auc"},
)
where = f"s3://{bucket}/v2-modes/train/"
piped = TrainingInput(where, content_type="text/csv", compression="Gzip", input_mode="Pipe")
estimator.fit({"train": piped}, logs=False)
predictor = estimator.deploy(1, "ml.m5.large", serializer=CSVSerializer(), deserializer=CSVDeserializer())
answer = np.array(predictor.predict(features[400:]), float).ravel()
assert ((answer > 0.5) == labels[400:]).mean() > 0.9, answer
predictor.delete_model()
predictor.delete_endpoint()

lines = [{"part-ref": f"{where}{number}.csv.gz", "number": number} for number in range(4)]
s3.put_object(Bucket=bucket, Key="v2-modes/all.manifest", Body="\n".join(map(json.dumps, lines)).encode())
script = SKLearn(
    "modes.py",
    source_dir=str(Path(__file__).parent / "code/modes"),
    role=role,
    instance_type="ml.m5.large",
    framework_version="1.2-1",
    py_version="py3",
    sagemaker_session=session,
    debugger_hook_config=DebuggerHookConfig(s3_output_path=f"s3://{bucket}/v2-modes/"),
    tensorboard_output_config=TensorBoardOutputConfig(s3_output_path=f"s3://{bucket}/v2-modes/"),
)
script.fit(
    {
        "fast": TrainingInput(f"s3://{bucket}/v2-modes/train", input_mode="FastFile"),
        "listed": TrainingInput(
            f"s3://{bucket}/v2-modes/all.manifest",
            s3_data_type="AugmentedManifestFile",
            attribute_names=["part-ref", "number"],
            record_wrapping="RecordIO",
            input_mode="Pipe",
            shuffle_config=sagemaker.inputs.ShuffleConfig(1),
        ),
    }
)
for place in (script.latest_job_debugger_artifacts_path(), script.latest_job_tensorboard_artifacts_path()):
    found = S3Downloader.list(place, sagemaker_session=session)
    assert [each.rpartition("/")[2] for each in found] == ["step-0"], (place, found)

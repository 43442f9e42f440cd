"""SDK v2: a PipelineModel of two containers, and a MultiDataModel of two models in one."""

import json
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import sagemaker
from sagemaker.deserializers import JSONDeserializer
from sagemaker.multidatamodel import MultiDataModel
from sagemaker.pipeline import PipelineModel
from sagemaker.predictor import Predictor
from sagemaker.serializers import CSVSerializer
from sagemaker.sklearn import SKLearnModel
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

session = sagemaker.Session()
folder = Path(tempfile.mkdtemp())
code = Path(__file__).parent / "code" / "pipeline"
iris = load_iris()
scaler = StandardScaler().fit(iris.data)


def packed(name, values):
    """An archive of one file, in S3."""
    (folder / "model.json").write_text(json.dumps(values))
    with tarfile.open(folder / f"{name}.tar.gz", "w:gz") as tar:
        tar.add(folder / "model.json", "model.json")
    return session.upload_data(str(folder / f"{name}.tar.gz"), key_prefix="v2-several")


def linear(rows):
    fitted = LogisticRegression(max_iter=500).fit(rows, iris.target)
    return {"coefficients": fitted.coef_.tolist(), "intercepts": fitted.intercept_.tolist()}


def model(data, script):
    return SKLearnModel(
        model_data=data,
        role=sagemaker.get_execution_role(session),
        entry_point=script,
        source_dir=str(code),
        framework_version="1.2-1",
        sagemaker_session=session,
    )


scaled = scaler.transform(iris.data)
first = packed("scale", {"mean": scaler.mean_.tolist(), "scale": scaler.scale_.tolist()})
on_scaled, on_raw = packed("scaled", linear(scaled)), packed("raw", linear(iris.data))

pipeline = PipelineModel(
    [model(first, "scale.py"), model(on_scaled, "linear.py")],
    sagemaker.get_execution_role(session),
    predictor_cls=Predictor,
    sagemaker_session=session,
)
predictor = pipeline.deploy(1, "ml.m5.large")
predictor.serializer, predictor.deserializer = CSVSerializer(), JSONDeserializer()
answer = np.array(predictor.predict(iris.data))
assert (answer == iris.target).mean() > 0.95, answer
predictor.delete_endpoint()
pipeline.delete_model()

several = MultiDataModel(
    name="v2-several",
    model_data_prefix=f"s3://{session.default_bucket()}/v2-several-group/",
    model=model(on_raw, "linear.py"),
    sagemaker_session=session,
)
predictor = several.deploy(1, "ml.m5.large", serializer=CSVSerializer(), deserializer=JSONDeserializer())
several.add_model(on_raw, "raw.tar.gz")
several.add_model(on_scaled, "group/scaled.tar.gz")
assert sorted(several.list_models()) == ["group/scaled.tar.gz", "raw.tar.gz"], list(several.list_models())
answer = np.array(predictor.predict(iris.data, target_model="raw.tar.gz"))
assert (answer == iris.target).mean() > 0.95, answer
answer = np.array(predictor.predict(scaled, target_model="group/scaled.tar.gz"))
assert (answer == iris.target).mean() > 0.95, answer
predictor.delete_endpoint()
several.delete_model()

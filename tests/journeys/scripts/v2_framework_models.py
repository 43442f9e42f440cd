"""SDK v2: models of TensorFlow and of HuggingFace, deployed from archives and called through their predictors."""

from pathlib import Path

import sagemaker
from sagemaker.huggingface import HuggingFaceModel
from sagemaker.tensorflow import TensorFlowModel

MODELS = Path(__file__).parent / "models"
session = sagemaker.Session()
role = sagemaker.get_execution_role()


def uploaded(name):
    return session.upload_data(str(MODELS / name), session.default_bucket(), "v2-framework-models")


half = TensorFlowModel(model_data=uploaded("saved_model.tar.gz"), role=role, framework_version="2.16")
classifier = HuggingFaceModel(
    model_data=uploaded("transformer.tar.gz"),
    role=role,
    transformers_version="4.37",
    pytorch_version="2.1",
    py_version="py310",
    env={"HF_TASK": "text-classification"},
)
predictors = [model.deploy(1, "ml.m5.large", wait=False) for model in (half, classifier)]
for predictor in predictors:
    session.wait_for_endpoint(predictor.endpoint_name, poll=1)

assert predictors[0].predict({"instances": [[1, 2], [3, 4]]}) == {"predictions": [[0.5, 1.0], [1.5, 2.0]]}
assert predictors[0].predict([5, 6]) == {"predictions": [[2.5, 3.0]]}
found = predictors[1].predict({"inputs": ["good film", "bad film"], "parameters": {"top_k": None}})
assert [sorted(each["label"] for each in one) for one in found] == [["down", "up"]] * 2, found

for model, predictor in zip((half, classifier), predictors, strict=True):
    predictor.delete_endpoint()
    model.delete_model()

"""SDK v2: ModelBuilder with an inference specification and a schema, deployed and called with typed values."""

import tempfile
from pathlib import Path

import sagemaker
from sagemaker import image_uris
from sagemaker.serve.builder.model_builder import ModelBuilder
from sagemaker.serve.builder.schema_builder import SchemaBuilder
from sagemaker.serve.mode.function_pointers import Mode
from sagemaker.serve.spec.inference_spec import InferenceSpec
from sagemaker.serve.utils.types import ModelServer

session = sagemaker.Session()
rows = [[1.0, 2.0], [3.0, 4.0]]


class Weighted(InferenceSpec):
    """A model that is one file of numbers."""

    def load(self, model_dir):
        return [float(word) for word in Path(model_dir, "weights.txt").read_text().split()]

    def invoke(self, input_object, model):
        return [sum(a * b for a, b in zip(row, model, strict=True)) for row in input_object]


with tempfile.TemporaryDirectory() as folder:
    Path(folder, "weights.txt").write_text("1.0 10.0")
    builder = ModelBuilder(
        inference_spec=Weighted(),
        schema_builder=SchemaBuilder(sample_input=rows, sample_output=[21.0, 43.0]),
        model_server=ModelServer.TORCHSERVE,
        image_uri=image_uris.retrieve(
            "pytorch",
            session.boto_region_name,
            "2.3",
            py_version="py311",
            instance_type="ml.m5.large",
            image_scope="inference",
        ),
        model_path=folder,
        mode=Mode.SAGEMAKER_ENDPOINT,
        role_arn=sagemaker.get_execution_role(),
        dependencies={"auto": False, "custom": ["sagemaker==2.257.7"]},
        sagemaker_session=session,
    )
    model = builder.build()
    predictor = model.deploy(initial_instance_count=1, instance_type="ml.m5.large")
    assert predictor.predict(rows) == [21.0, 43.0]
predictor.delete_endpoint()
model.delete_model()

"""SDK v3: ModelBuilder with an inference specification and a schema, in this process and as an endpoint."""

import json
import tempfile
from pathlib import Path

from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.resources import EndpointConfig
from sagemaker.serve import ModelBuilder
from sagemaker.serve.builder.schema_builder import SchemaBuilder
from sagemaker.serve.mode.function_pointers import Mode
from sagemaker.serve.spec.inference_spec import InferenceSpec
from sagemaker.serve.utils.types import ModelServer

session = Session()
rows, expected = [[1.0, 2.0], [3.0, 4.0]], [21.0, 43.0]


class Weighted(InferenceSpec):
    """In this process there is no model folder."""

    def load(self, model_dir):
        text = Path(model_dir, "weights.txt").read_text() if model_dir else "1.0 10.0"
        return [float(word) for word in text.split()]

    def invoke(self, input_object, model):
        return [sum(a * b for a, b in zip(row, model, strict=True)) for row in input_object]


def builder(folder, mode):
    return ModelBuilder(
        inference_spec=Weighted(),
        schema_builder=SchemaBuilder(sample_input=rows, sample_output=expected),
        model_server=ModelServer.TORCHSERVE,
        image_uri=image_uris.retrieve("sklearn", session.boto_region_name, "1.2-1"),
        model_path=folder,
        mode=mode,
        instance_type="ml.m5.large",
        dependencies={"auto": False, "custom": ["sagemaker-serve==1.27.0"]},
        sagemaker_session=session,
    )


with tempfile.TemporaryDirectory() as folder:
    Path(folder, "weights.txt").write_text("1.0 10.0")
    here = builder(folder, Mode.IN_PROCESS)
    here.build()
    local = here.deploy_local()
    assert local.invoke(rows).body == expected
    local.in_process_mode_obj.destroy_server()

    there = builder(folder, Mode.SAGEMAKER_ENDPOINT)
    model = there.build()
    endpoint = there.deploy(endpoint_name="v3-builder")
    answer = endpoint.invoke(body=json.dumps(rows), content_type="application/json", accept="application/json")
    assert json.loads(answer.body.read()) == expected
config = endpoint.endpoint_config_name
endpoint.delete()
EndpointConfig.get(config).delete()
model.delete()

"""TorchServe's handlers: a function, or a class, in a file of the user's."""

from pathlib import Path

import pytest

from clary.serving.server.frameworks import torchserve
from clary.serving.server.invocation import Answer, Invocation

FUNCTION = """
loaded = []

def handle(data, context):
    if data is None:
        loaded.append(context.system_properties["model_dir"])
        return None
    context.set_response_content_type(0, "text/x")
    return [f"{data[0]['body']['a']} {len(loaded)}"]
"""
CLASS = """
class Model:
    def initialize(self, context):
        self.folder = context.system_properties["model_dir"]

    def handle(self, data, context):
        return [{"of": self.folder, "got": len(each["body"])} for each in data]
"""


def test_function(tmp_path: Path) -> None:
    (tmp_path / "as_function.py").write_text(FUNCTION)
    serve = torchserve.build("as_function.py", tmp_path, Path("/model"))
    assert serve(Invocation(b'{"a": 1}', "application/json")) == Answer(200, "text/x", b"1 1")


def test_class(tmp_path: Path) -> None:
    (tmp_path / "as_class.py").write_text(CLASS)
    serve = torchserve.build("as_class", tmp_path, Path("/model"))
    assert serve(Invocation(b"abc")) == Answer(200, "application/json", b'{"of": "/model", "got": 3}')


def test_file_without_a_handler(tmp_path: Path) -> None:
    (tmp_path / "as_nothing.py").write_text("")
    with pytest.raises(ValueError, match="needs a function handle"):
        torchserve.build("as_nothing", tmp_path, tmp_path)

"""What the variables of AWS's images mean to the model server."""

from pathlib import Path

import pytest

from clary.serving.server.config import from_environment


@pytest.mark.parametrize(
    ("name", "value", "member", "wanted"),
    [
        ("SAGEMAKER_MODEL_SERVER_WORKERS", "3", "workers", 3),
        ("SAGEMAKER_TS_MAX_WORKERS", "4", "workers", 4),
        ("SAGEMAKER_GUNICORN_WORKERS", "5", "workers", 5),
        ("SAGEMAKER_MODEL_SERVER_TIMEOUT", "7", "timeout", 7.0),
        ("SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS", "8", "timeout", 8.0),
        ("SAGEMAKER_TS_RESPONSE_TIMEOUT", "9", "timeout", 9.0),
        ("MMS_DEFAULT_RESPONSE_TIMEOUT", "10", "timeout", 10.0),
        ("SAGEMAKER_GUNICORN_TIMEOUT_SECONDS", "11", "timeout", 11.0),
        ("SAGEMAKER_STARTUP_TIMEOUT", "12", "startup_seconds", 12.0),
        ("SAGEMAKER_MAX_PAYLOAD_IN_MB", "2", "max_body", 2 << 20),
        ("SAGEMAKER_MAX_PAYLOAD_IN_MB", "0", "max_body", None),
        ("TS_MAX_REQUEST_SIZE", "100", "max_body", 100),
        ("MMS_MAX_REQUEST_SIZE", "", "max_body", None),
        ("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "text/csv", "default_accept", "text/csv"),
        ("CLARY_ADDITIONAL_ARCHIVES", "/a/b.tar.gz:/c", "additional_archives", (Path("/a/b.tar.gz"), Path("/c"))),
    ],
)
def test_variables(name: str, value: str, member: str, wanted: object) -> None:
    assert getattr(from_environment({name: value}), member) == wanted

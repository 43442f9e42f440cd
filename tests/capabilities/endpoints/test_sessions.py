"""What a model says of a session that it made."""

import pytest

from clary.capabilities.endpoints.sessions import Made, made


@pytest.mark.parametrize("header", ["x-amzn-sagemaker-new-session-id", "x-amzn-sagemaker-session-id"])
@pytest.mark.parametrize("space", ["", " ", "  "])
def test_session_is_read_as_models_write_it(header: str, space: str) -> None:
    assert made({header: f"a-1;{space}Expires=2030-01-01T00:00:00Z"}) == Made(
        "a-1", 1893456000.0, "a-1; Expires=2030-01-01T00:00:00Z"
    )


@pytest.mark.parametrize(
    "value",
    [
        "",
        "a-1",
        "NEW_SESSION; Expires=2030-01-01T00:00:00Z",
        "a-1; Expires=2030-13-01T00:00:00Z",
        "a-1; Expires=soon",
        f"{'a' * 300}; Expires=2030-01-01T00:00:00Z",
        "a\nb; Expires=2030-01-01T00:00:00Z",
    ],
)
def test_nonsense_is_no_session(value: str) -> None:
    assert made({"x-amzn-sagemaker-new-session-id": value}) is None

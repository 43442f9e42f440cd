"""Expecting an error as a boto3 user meets it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError


@contextmanager
def refused(code: str, words: str = "", status: int = 400) -> Iterator[None]:
    """The call inside is refused with this code, status and, somewhere in its message, these words."""
    with pytest.raises(ClientError) as caught:
        yield
    error = caught.value.response
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
    assert words in error["Error"]["Message"]

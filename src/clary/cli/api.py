"""AWS clients of the running Clary, for commands that are thin clients of its public API."""

from typing import Any

from clary.cli import clientenv, running
from clary.settings import Settings


def client(settings: Settings, service: str, region: str = "") -> Any:
    """A botocore client with the home's default keys, of its Region or another. Raises `NotRunning`, `NotStarted`."""
    # Here, because botocore takes longer to import than most commands take in all.
    from botocore.session import Session

    endpoint = running.need(settings).url
    keys = clientenv.credentials(settings)
    return Session().create_client(
        service,
        region_name=region or settings.region,
        endpoint_url=endpoint,
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret,
        aws_session_token=keys.session_token or None,
    )


def every(client: Any, operation: str, key: str, **request: Any) -> list[dict[str, Any]]:
    """All pages of a list operation, e.g. `every(sagemaker, "list_models", "Models")`."""
    pages = client.get_paginator(operation).paginate(**request)
    return [entry for page in pages for entry in page[key]]

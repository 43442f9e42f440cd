"""A botocore plugin that sends AWS's own hosts to Clary, for code that pins them: both SageMaker SDKs pin STS's.

`clary env` names this module in `BOTOCORE_EXPERIMENTAL__PLUGINS` and its folder in `PYTHONPATH`. It runs in the
user's Python, beside any botocore that knows plugins, and needs nothing else.
"""

import os
import re
from typing import Any
from urllib.parse import urlsplit, urlunsplit

AWS_HOST = re.compile(r"\.(amazonaws\.com(\.cn)?|amazonaws\.eu|api\.aws)$")


def initialize_client_plugin(client: Any) -> None:
    """Called by botocore with every new client."""
    client.meta.events.register_first("before-send", redirect)


def redirect(request: Any, **_: Any) -> None:
    """Point a signed request at the endpoint. The Host header stays, because the signature covers it."""
    endpoint = urlsplit(os.environ.get("AWS_ENDPOINT_URL", ""))
    asked = urlsplit(request.url)
    if not endpoint.netloc or not AWS_HOST.search(asked.hostname or ""):
        return
    request.headers["Host"] = asked.netloc
    request.url = urlunsplit(asked._replace(scheme=endpoint.scheme, netloc=endpoint.netloc))

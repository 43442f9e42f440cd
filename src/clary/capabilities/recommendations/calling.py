"""SageMaker's API as a client of this server calls it, with the credentials of the job's role."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from clary.serving.load.signing import Signer

TIMEOUT_SECONDS = 30.0


class Refused(Exception):
    """An error answer that the same call would get again."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Unavailable(Exception):
    """No answer, or one to ask again for."""


class Api:
    def __init__(self, url: str, signer: Signer) -> None:
        self._host = urlsplit(url).netloc
        self._signer = signer

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        """Raises `Refused` or `Unavailable`."""
        body = json.dumps(request).encode()
        kind = {"content-type": "application/x-amz-json-1.1", "x-amz-target": f"SageMaker.{operation}"}
        connection = http.client.HTTPConnection(self._host, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("POST", "/", body, self._signer.headers(self._host, "/", kind, body))
            answer = connection.getresponse()
            found = json.loads(answer.read() or b"{}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unavailable(f"{operation} of {self._host}: {error}") from error
        finally:
            connection.close()
        if answer.status < 300:
            return found  # type: ignore[no-any-return]
        code = str(found.get("__type", "")).rpartition("#")[2]
        message = str(found.get("message") or found.get("Message") or code)
        if (answer.status >= 500 and answer.status != 501) or "Throttling" in code:
            raise Unavailable(f"{operation}: {message}")
        raise Refused(code, message)

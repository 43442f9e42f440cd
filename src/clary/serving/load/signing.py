"""AWS Signature Version 4 of a whole request, by the standard library alone."""

import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Signer:
    """Temporary credentials for one service of one Region."""

    access_key: str
    secret: str
    token: str
    region: str
    service: str = "sagemaker"

    def headers(
        self, host: str, path: str, given: Mapping[str, str], body: bytes, now: float | None = None
    ) -> dict[str, str]:
        """All headers that a POST needs; `given` are lower-case names. They are good for 15 minutes."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        signed = {**given, "host": host, "x-amz-date": stamp, "x-amz-security-token": self.token}
        names = ";".join(sorted(signed))
        lines = "".join(f"{name}:{' '.join(signed[name].split())}\n" for name in sorted(signed))
        request = f"POST\n{path}\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
        scope = f"{stamp[:8]}/{self.region}/{self.service}/aws4_request"
        digest = hashlib.sha256(request.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
        signature = hmac.new(self._key(scope), text.encode(), "sha256").hexdigest()
        told = f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        return {**signed, "authorization": told}

    def _key(self, scope: str) -> bytes:
        key = f"AWS4{self.secret}".encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), "sha256").digest()
        return key

"""Requests signed beforehand and sent as fast as a server answers; the client costs the same for every server."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass

import aiohttp
import msgspec
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from benchmarks.servers import Served


@dataclass(frozen=True)
class Signed:
    url: str
    body: bytes
    headers: dict[str, str]


def sagemaker(served: Served, operation: str, request: dict[str, object]) -> Signed:
    """A SageMaker call, ready to send."""
    headers = {"X-Amz-Target": f"SageMaker.{operation}", "Content-Type": "application/x-amz-json-1.1"}
    plain = AWSRequest("POST", f"{served.url}/", headers=headers, data=msgspec.json.encode(request))
    SigV4Auth(Credentials(served.access_key, served.secret), "sagemaker", "us-east-1").add_auth(plain)
    return Signed(plain.url, plain.data, dict(plain.headers))


def rate(requests: Iterable[Signed], at_once: int = 8) -> float:
    """Answers per second. Raises `RuntimeError` at the first that is not 200."""
    return asyncio.run(_rate(list(requests), at_once))


async def _rate(requests: list[Signed], at_once: int) -> float:
    queue = iter(requests)
    async with aiohttp.ClientSession() as session:

        async def sender() -> None:
            for request in queue:
                async with session.post(request.url, data=request.body, headers=request.headers) as answer:
                    text = await answer.read()
                    if answer.status != 200:
                        raise RuntimeError(f"{answer.status}: {text[:500]!r}")

        begun = time.perf_counter()
        await asyncio.gather(*(sender() for _ in range(at_once)))
        return len(requests) / (time.perf_counter() - begun)

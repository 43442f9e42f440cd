"""A real server for tests on a free loopback port, in a thread, driven by unmodified boto3.

    with serve(Registry([operation]), Settings(home=tmp_path), ...) as url:
        boto3.client("sagemaker", endpoint_url=url, **CLIENT)

Tests that do not care who calls use `OneKey`, the key of `CLIENT`.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from clary.settings import Settings
from clary.wire.context import Parts, Principal
from clary.wire.errors import AwsError
from clary.wire.http.connection import Application
from clary.wire.http.door import Door
from clary.wire.http.listening import listen
from clary.wire.models import Models
from clary.wire.operations import Registry
from clary.wire.server import S3, Images, Server
from clary.wire.sigv4 import Key, Keys

ACCESS_KEY, SECRET = "AKIDCLARYTESTS000000", "clary-test-secret"
CLIENT: dict[str, Any] = {
    "region_name": "us-east-1",
    "aws_access_key_id": ACCESS_KEY,
    "aws_secret_access_key": SECRET,
}
"""Keyword arguments of `boto3.client` beside `endpoint_url`."""

PRINCIPAL = Principal(
    account="123456789012",
    arn="arn:aws:sts::123456789012:assumed-role/SageMakerRole/clary",
    user_id="AROACLARYTESTS000000:clary",
    access_key=ACCESS_KEY,
)


class OneKey(Keys):
    """Exactly one access key exists, and it never expires."""

    def __init__(self, principal: Principal = PRINCIPAL, secret: str = SECRET) -> None:
        self.principal = principal
        self.secret = secret

    def find(self, access_key_id: str, session_token: str | None) -> Key:
        if access_key_id != self.principal.access_key:
            message = "The security token included in the request is invalid."
            raise AwsError(message, code="UnrecognizedClientException", status=403)
        return Key(self.secret, self.principal)


@contextmanager
def serve(registry: Registry, *parts: object, s3: S3 | None = None, images: Images | None = None) -> Iterator[str]:
    """The URL of a server with these operations. `Settings` and `Keys` are filled in when not among `parts`."""
    given = list(parts)
    if not any(isinstance(part, Settings) for part in given):
        given.append(Settings())
    if not any(Keys in type(part).__mro__ for part in given):
        given.append(OneKey())
    with serve_app(Server(registry, Parts(*given), Models(), s3, images)) as url:
        yield url


@contextmanager
def serve_app(app: Application) -> Iterator[str]:
    """The URL of any application that answers exchanges."""
    door = listen("127.0.0.1", 0, 128)
    loop = asyncio.new_event_loop()
    ending = asyncio.Event()

    async def run() -> None:
        entrance = Door(app, door)
        entrance.open()
        await ending.wait()
        await entrance.close(10)

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), daemon=True)
    port = door.getsockname()[1]
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(ending.set)
        thread.join(60)
        loop.close()

"""Where messages go: topics are stood for by a URL, an S3 prefix or, by default, a log stream.

A URL gets what SNS would post. It may get it twice when a process is killed in between, with one `MessageId`, as SNS
itself warns; the other two have each message once.
"""

import http.client
import json
import time
from pathlib import Path
from urllib.parse import urlsplit

from clary.companions.logs import LogStore
from clary.companions.sns.message import Message, envelope
from clary.logfile import frame
from clary.objects import Objects, parse_uri

PATIENCE_SECONDS = 10.0
STREAM = "notifications"


class NotDelivered(Exception):
    """The sink did not take it; later it may."""


class Sinks:
    """`places`: topic ARN to http(s) URL or s3:// prefix. `folder`: for bytes on their way. Blocking."""

    def __init__(self, places: dict[str, str], logs: LogStore, objects: Objects, folder: Path) -> None:
        self._places = places
        self._logs = logs
        self._objects = objects
        self._folder = folder

    def send(self, message: Message) -> None:
        """Raises `NotDelivered`, or whatever the object store raises."""
        place = self._places.get(message.topic, "")
        body = json.dumps(envelope(message, time.time()))
        if place.startswith("s3://"):
            self._put(place, message, body)
        elif place:
            _post(place, message, body)
        else:
            self._log(message, body)

    def _put(self, place: str, message: Message, body: str) -> None:
        bucket, prefix = parse_uri(place)
        key = "/".join(part for part in (prefix.strip("/"), f"{message.id}.json") if part)
        file = self._folder / f"{message.id}.notification"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write_bytes(body.encode())
        try:
            self._objects.put_file(message.account, bucket, key, file, content_type="application/json")
        finally:
            file.unlink(missing_ok=True)

    def _log(self, message: Message, body: str) -> None:
        group = f"sns/{message.region}/{message.account}/{message.topic.rpartition(':')[2]}"
        path = self._logs.stream(message.account, message.region, group, STREAM)
        if _says(path, message.id.encode()):
            return
        with path.open("ab") as file:
            file.write(frame(int(time.time() * 1000), body.encode()))


def _says(log: Path, word: bytes) -> bool:
    """Whether the message is there already: whoever wrote it may have been killed before saying so."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - (1 << 20)))
        return word in file.read()


def _post(url: str, message: Message, body: str) -> None:
    where = urlsplit(url)
    kind = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
    connection = kind(where.netloc, timeout=PATIENCE_SECONDS)
    headers = {
        "x-amz-sns-message-type": "Notification",
        "x-amz-sns-message-id": message.id,
        "x-amz-sns-topic-arn": message.topic,
        "content-type": "text/plain; charset=UTF-8",
        "user-agent": "Amazon Simple Notification Service Agent",
    }
    target = f"{where.path or '/'}?{where.query}" if where.query else where.path or "/"
    try:
        connection.request("POST", target, body.encode(), headers)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise NotDelivered(f"{url} does not answer: {error}") from error
    finally:
        connection.close()
    if not 200 <= status < 300:
        raise NotDelivered(f"{url} answered {status}")

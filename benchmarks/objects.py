"""S3 transfers beside moto's: 100 MB put and get, 1 GB in parts, and what the server's memory grows by meanwhile."""

import re
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import boto3
from tests.servers import free_port

from benchmarks import peers
from benchmarks.processes import Peak, Server, api_only, running
from benchmarks.report import Section
from benchmarks.signing import Signer

MB = 1 << 20
PART = 64 * MB
AT_ONCE = 4
ROUNDS = 5

Side = tuple[Server, Signer]


def measure(folder: Path, quick: bool) -> Section:
    size, large, rounds = (8 * MB, 4 * PART, 1) if quick else (100 * MB, 16 * PART, ROUNDS)
    section = Section(
        "objects",
        "Objects",
        "100 MB put and get and 1 GB in parts at least twice as fast as moto's S3; memory grows by at most 50 MB",
        ("what", "Clary, MB/s", "moto, MB/s", "ratio", "Clary's RSS grew by, MB"),
    )
    (folder / "s3").mkdir()
    data = bytes(range(256)) * (PART // 256)
    moto, port = peers.environment("moto"), free_port()
    with (
        api_only(folder / "s3" / "home") as (clary, keys),
        running("moto", [f"{moto}/bin/moto_server", "-p", str(port)], port, folder, "/moto-api/") as peer,
    ):
        sides = [(clary, keys), (peer, Signer(peer.url))]
        for side in sides:
            _bucket(side)
        _compare(section, f"put of {size // MB} MB", sides, size, rounds, lambda side: put(side, "one", data, size))
        _compare(section, f"get of {size // MB} MB", sides, size, rounds, lambda side: get(side, "one", size))
        name = f"{large // MB} MB in parts of {PART // MB} MB, {AT_ONCE} at once"
        _compare(section, name, sides, large, min(rounds, 3), lambda side: put_parts(side, "parts", data, large))
    section.notes.append(
        f"The same raw client for both, bodies unsigned as over TLS; medians of alternating rounds; "
        f"{peers.version('moto')} keeps objects in memory, Clary syncs them to disk before it answers."
    )
    return section


def _compare(
    section: Section, name: str, sides: list[Side], size: int, rounds: int, act: Callable[[Side], None]
) -> None:
    speeds: list[list[float]] = [[], []]
    growth = 0.0
    for _ in range(rounds):
        for number, side in enumerate(sides):
            with Peak(side[0].pid) as peak:
                started = time.perf_counter()
                act(side)
                speeds[number].append(size / MB / (time.perf_counter() - started))
            growth = max(growth, peak.growth) if number == 0 else growth
    ours, theirs = (median(each) for each in speeds)
    section.rows.append((name, f"{ours:,.0f}", f"{theirs:,.0f}", f"{ours / theirs:.1f}", f"{growth:.0f}"))
    section.verdict(ours >= 2 * theirs, f"{name}: {ours / theirs:.1f} times moto (at least 2)")
    section.verdict(growth <= 50, f"{name}: memory grew by {growth:.0f} MB (at most 50 MB)")


def put(side: Side, key: str, data: bytes, size: int) -> None:
    _send(side, "PUT", f"/bench/{key}", data[:size], size)


def get(side: Side, key: str, size: int) -> None:
    server, signer = side
    buffer = bytearray(MB)
    with socket.create_connection(server.address) as connection:
        connection.sendall(signer.object_head("GET", f"/bench/{key}", 0))
        head, rest = _head(connection)
        length = int(re.findall(rb"(?i)\r\ncontent-length: *(\d+)", head)[0])
        if length != size:
            raise RuntimeError(f"{server.name} holds {length} bytes of {size}")
        left = length - len(rest)
        while left:
            got = connection.recv_into(buffer)
            if not got:
                raise RuntimeError(f"{server.name} ended early")
            left -= got


def put_parts(side: Side, key: str, data: bytes, size: int) -> None:
    begun = _send(side, "POST", f"/bench/{key}?uploads=", b"")[1]
    (upload,) = re.findall(rb"<UploadId>(.*?)</UploadId>", begun)

    def part(number: int) -> bytes:
        path = f"/bench/{key}?partNumber={number}&uploadId={upload.decode()}"
        return re.findall(rb"(?i)\r\netag: *(\S+)", _send(side, "PUT", path, data)[0])[0]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        tags = list(pool.map(part, range(1, size // PART + 1)))
    listed = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{tag.decode()}</ETag></Part>"
        for number, tag in enumerate(tags, 1)
    )
    document = f'<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{listed}'
    body = f"{document}</CompleteMultipartUpload>".encode()
    _send(side, "POST", f"/bench/{key}?uploadId={upload.decode()}", body)


def _send(side: Side, method: str, path: str, data: bytes, size: int | None = None) -> tuple[bytes, bytes]:
    """Head and body of the answer. `data` is repeated until `size` bytes are sent."""
    server, signer = side
    left = len(data) if size is None else size
    with socket.create_connection(server.address) as connection:
        connection.sendall(signer.object_head(method, path, left))
        while left:
            piece = memoryview(data)[: min(left, len(data))]
            connection.sendall(piece)
            left -= len(piece)
        head, body = _head(connection)
        length = re.findall(rb"(?i)\r\ncontent-length: *(\d+)", head)
        while length and len(body) < int(length[0]):
            body += connection.recv(MB)
    return head, body


def _head(connection: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(MB)
        if not piece:
            raise RuntimeError("the connection ended without an answer")
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    if head[9:10] != b"2":
        raise RuntimeError(f"the answer was {data[:600]!r}")
    return head, rest


def _bucket(side: Side) -> None:
    server, keys = side
    boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret,
        aws_session_token=keys.token or None,
    ).create_bucket(Bucket="bench")

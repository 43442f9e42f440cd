"""Hashes of bodies: the ETag, the payload hash that a signature covers, and S3's checksum algorithms.

zlib and hashlib serve all but CRC32C, CRC64NVME and the XXHash family; those come from `awscrt`, loaded when first
asked for (in plain Python they run at a few MB/s, and the AWS CLI uses CRC64NVME by default).
"""

import base64
import hashlib
import zlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from clary.objects.errors import S3Error

XXHASH = {"xxhash64": "new_xxhash64", "xxhash3": "new_xxhash3_64", "xxhash128": "new_xxhash3_128"}
"""S3's names, and those of `awscrt`."""

ALGORITHMS = ("crc32", "crc32c", "crc64nvme", "sha1", "sha256", "sha512", "md5", *XXHASH)
HEADER = "x-amz-checksum-"
_KNOWN = {HEADER + name for name in (*ALGORITHMS, "algorithm", "mode", "type")}

COMBINABLE = {"crc32": 4, "crc32c": 4, "crc64nvme": 8}
"""Algorithms whose value of a whole follows from the values of its parts, with their width in bytes."""

BITS = {"crc32": (32, 0xEDB88320), "crc32c": (32, 0x82F63B78), "crc64nvme": (64, 0x9A6C9329AC4BC9B5)}
"""Width and reflected polynomial."""

LARGE_BYTES = 128 * 1024
"""Smaller blocks cost less than handing them to a thread."""

_POOL = ThreadPoolExecutor(2, "clary-hash")


class Hash(Protocol):
    def update(self, data: bytes, /) -> object: ...
    def digest(self) -> bytes: ...


class _Crc:
    def __init__(self, step: Callable[[bytes, int], int], width: int) -> None:
        self._step = step
        self._width = width
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = self._step(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._width, "big")


class _XxHash:
    def __init__(self, make: str) -> None:
        import awscrt.checksums

        self._hash = getattr(awscrt.checksums.XXHash, make)()
        self._digest = b""

    def update(self, data: bytes, /) -> None:
        self._hash.update(data)

    def digest(self) -> bytes:
        """awscrt's may be finished once only."""
        self._digest = self._digest or self._hash.finalize()
        return self._digest


def new_hash(name: str) -> Hash:
    """`name` is one of `ALGORITHMS`."""
    if name == "crc32":
        return _Crc(zlib.crc32, 4)
    if name in COMBINABLE:
        import awscrt.checksums

        return _Crc(getattr(awscrt.checksums, name), COMBINABLE[name])
    if name in XXHASH:
        return _XxHash(XXHASH[name])
    return hashlib.new(name, usedforsecurity=False)


class Digests:
    """Several hashes of one stream."""

    def __init__(self, names: Iterable[str]) -> None:
        self._hashes = {name: new_hash(name) for name in dict.fromkeys(names)}

    def update(self, block: bytes) -> None:
        """The slowest, MD5, beside the others: all of them let go of the interpreter while they work."""
        first, *rest = self._hashes.values()
        beside = _POOL.submit(first.update, block) if rest and len(block) >= LARGE_BYTES else None
        for entry in rest if beside else self._hashes.values():
            entry.update(block)
        if beside:
            beside.result()

    def hex(self, name: str) -> str:
        return self._hashes[name].digest().hex()

    def base64(self, name: str) -> str:
        return base64.b64encode(self._hashes[name].digest()).decode()


def given(headers: Mapping[str, str]) -> dict[str, str]:
    """The checksums that a request or trailer states, by algorithm. Raises `InvalidRequest` for one of wrong form."""
    check_known(headers)
    found = {name: headers[HEADER + name].strip() for name in ALGORITHMS if HEADER + name in headers}
    for name, value in found.items():
        if _width(value) != len(new_hash(name).digest()):
            raise S3Error("InvalidRequest", f"Value for {HEADER}{name} header is invalid.")
    if len(found) > 1:
        raise S3Error(
            "InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
        )
    return found


def check_known(headers: Iterable[str]) -> None:
    """Raises `InvalidRequest` for a checksum of an unknown algorithm: accepted, it would pass for verified."""
    if any(name.startswith(HEADER) and name not in _KNOWN for name in headers):
        raise S3Error("InvalidRequest", "The algorithm type you specified in x-amz-checksum- header is invalid.")


def _width(value: str) -> int:
    try:
        return len(base64.b64decode(value, validate=True))
    except ValueError:
        return -1


def verify(digests: Digests, stated: Mapping[str, str]) -> None:
    """Raises `BadDigest` naming the algorithm."""
    for name, value in stated.items():
        if digests.base64(name) != value:
            words = f"The {name.upper()} you specified did not match the calculated checksum."
            raise S3Error("BadDigest", words)


def of_parts(name: str, kind: str, values: list[tuple[str, int]]) -> str:
    """The checksum of a multipart object from its parts' `(base64, size)`."""
    if kind == "FULL_OBJECT":
        return combine(name, values)
    joined = new_hash(name)
    for value, _ in values:
        joined.update(base64.b64decode(value))
    return f"{base64.b64encode(joined.digest()).decode()}-{len(values)}"


def combine(name: str, values: list[tuple[str, int]]) -> str:
    """The CRC of a concatenation: shift the CRC so far over the next part's length, add the part's."""
    width, polynomial = BITS[name]
    total = 0
    for value, size in values:
        total = _shift(total, size, width, polynomial) ^ int.from_bytes(base64.b64decode(value), "big")
    return base64.b64encode(total.to_bytes(width // 8, "big")).decode()


def _shift(crc: int, size: int, width: int, polynomial: int) -> int:
    """`crc` times x to the power 8·size, modulo the polynomial, in the reflected bit order of these CRCs."""
    power, square, count = 1 << (width - 1), 1 << (width - 2), 8 * size
    while count:
        if count & 1:
            power = _multiply(power, square, width, polynomial)
        square = _multiply(square, square, width, polynomial)
        count >>= 1
    return _multiply(crc, power, width, polynomial)


def _multiply(left: int, right: int, width: int, polynomial: int) -> int:
    product, top = 0, 1 << (width - 1)
    for bit in range(width):
        if left & (top >> bit):
            product ^= right
        right = (right >> 1) ^ (polynomial if right & 1 else 0)
    return product

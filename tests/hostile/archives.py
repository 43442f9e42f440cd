"""Archives that mean harm, by what is wrong with them."""

import gzip
import io
import os
import posixpath
import tarfile
import zipfile
from collections.abc import Callable, Iterable

Member = tuple[tarfile.TarInfo, bytes]
MEGABYTE = 1024 * 1024


def file(name: str, body: bytes = b"owned", **members: object) -> Member:
    info = tarfile.TarInfo(name)
    info.size = len(body)
    for member, value in members.items():
        setattr(info, member, value)
    return info, body


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> Member:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


def special(name: str, kind: bytes) -> Member:
    info = tarfile.TarInfo(name)
    info.type, info.devmajor, info.devminor = kind, 1, 5
    return info, b""


def folder(name: str, mode: int = 0o755) -> Member:
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, mode
    return info, b""


def tar(*members: Member, good: Iterable[Member] = ()) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz", compresslevel=1) as archive:
        for info, body in (*good, *members):
            archive.addfile(info, io.BytesIO(body))
    return made.getvalue()


def realpath_chain(outside: str) -> list[Member]:
    """CVE-2025-4517: links whose resolved path is longer than any path may be, and then one that leaves."""
    long, steps, path = "d" * 247, "abcdefghijklmnop", ""
    members: list[Member] = []
    for step in steps:
        members += [folder(posixpath.join(path, long)), link(posixpath.join(path, step), long)]
        path = posixpath.join(path, long)
    end = posixpath.join("/".join(steps), "l" * 254)
    members += [
        link(end, "../" * len(steps)),
        link("escape", f"{end}/../../../../../../../..{posixpath.dirname(outside)}"),
    ]
    return [*members, file(f"escape/{posixpath.basename(outside)}")]


def zipped() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("train.py", "raise SystemExit(0)")
    return made.getvalue()


def many(count: int) -> list[Member]:
    return [file(f"{n % 100}/{n}", b"") for n in range(count)]


REFUSED: dict[str, Callable[[str], list[Member]]] = {
    "traversal": lambda outside: [file("../../../../../../../.." + outside)],
    "traversal-below": lambda outside: [file("a/../../x")],
    "absolute": lambda outside: [file(outside)],
    "link-out": lambda outside: [link("l", "/tmp"), file("l/written")],
    "link-chain": lambda outside: [link("a", "b"), link("b", ".."), link("c", "a/.."), file("c/x")],
    "link-long-chain": realpath_chain,
    "hard-link": lambda outside: [link("h", "/etc/passwd", tarfile.LNKTYPE)],
    "hard-link-up": lambda outside: [link("h", "../../../etc/passwd", tarfile.LNKTYPE)],
    "character-device": lambda outside: [special("d", tarfile.CHRTYPE)],
    "block-device": lambda outside: [special("d", tarfile.BLKTYPE)],
    "pipe": lambda outside: [special("p", tarfile.FIFOTYPE)],
    "name-too-long": lambda outside: [file("n" * 300)],
}
"""Beside a good `train.py`; the whole archive is refused."""

TAKEN: dict[str, Callable[[str], list[Member]]] = {
    "setuid": lambda outside: [file("s", mode=0o6777), folder("f", 0o7777)],
    "odd-names": lambda outside: [file("-rf"), file("line\nbreak"), file("\u202etxt"), file(b"\xff".decode("latin-1"))],
    "link-cycles": lambda outside: [
        link("a", "b"),
        link("b", "a"),
        link("self", "self"),
        folder("d"),
        link("d/up", ".."),
    ],
    "other-owner": lambda outside: [file("o", uid=12345, gid=54321, uname="nobody")],
    "twice": lambda outside: [file("t", b"1"), file("t", b"2")],
    "sparse-large": lambda outside: [file("zeros", bytes(64 * MEGABYTE))],
    "members-20000": lambda outside: many(20_000),
}
"""Harmless once their rights and owners are dropped: the job runs."""

BYTES: dict[str, Callable[[], bytes]] = {
    "zip": zipped,
    "nothing": lambda: b"",
    "random": lambda: os.urandom(4096),
    "cut-off": lambda: tar(file("train.py", os.urandom(100_000)))[:-5000],
    "gzip-of-text": lambda: gzip.compress(b"no archive"),
    "gzip-bomb-no-tar": lambda: gzip.compress(bytes(256 * MEGABYTE), 1),
}
"""No archives of the expected kind."""

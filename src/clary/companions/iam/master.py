"""The master key in `home/secrets`, from which every secret access key is derived.

The store therefore holds no secret: a stolen database signs nothing. Losing the folder ends all access keys.
"""

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path


class MasterKey:
    """Derives secrets and seals texts. Any number of processes may open the same folder at once."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._key = _read_or_make(folder / "master.key")

    def digest(self, purpose: str, text: str) -> bytes:
        """32 bytes that only this key gives for this purpose and text."""
        return hmac.digest(self._key, f"{purpose}\0{text}".encode(), hashlib.sha256)

    def secret_access_key(self, access_key: str) -> str:
        """The 40 characters that belong to an access key id."""
        return base64.b64encode(self.digest("secret access key", access_key))[:40].decode()


def _read_or_make(file: Path) -> bytes:
    if not file.exists():
        fresh = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
        write_durably(fresh, secrets.token_bytes(32))
        # A link never replaces: of two processes that start together, the first one's key stays.
        try:
            os.link(fresh, file)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
        sync_folder(file.parent)
    return file.read_bytes()


def write_durably(file: Path, content: bytes) -> None:
    """A new file that only its owner reads, on the disk when this returns."""
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as target:
        target.write(content)
        target.flush()
        os.fsync(target.fileno())


def sync_folder(folder: Path) -> None:
    """Names given to files in it outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

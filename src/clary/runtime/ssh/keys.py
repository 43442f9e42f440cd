"""The one key of a job: every host derives it, nobody outside the job can."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def private(environ: Mapping[str, str]) -> Ed25519PrivateKey:
    """From the job's name and its credentials; isolated jobs have no credentials, and a network that only they see."""
    secret = f"{environ.get('TRAINING_JOB_ARN', '')}\0{environ.get('AWS_SECRET_ACCESS_KEY', '')}"
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(secret.encode()).digest())


def lay_out(home: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Where clients look for it: `~/.ssh/id_ed25519`, unless the user has one there."""
    file = home / ".ssh" / "id_ed25519"
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = file.with_name(f".{file.name}.{os.getpid()}")
        fresh.write_bytes(_written(private(environ)))
        fresh.chmod(0o600)
        fresh.replace(file)
    return file


def _written(key: Ed25519PrivateKey) -> bytes:
    formats = serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    written: bytes = key.private_bytes(serialization.Encoding.PEM, *formats)
    return written

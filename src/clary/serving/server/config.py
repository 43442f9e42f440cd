"""What the environment tells the model server: AWS's `SAGEMAKER_*` variables and the few of Clary's plan."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

GIGABYTE = 1 << 30
WORKERS = ("SAGEMAKER_MODEL_SERVER_WORKERS", "SAGEMAKER_TS_MAX_WORKERS", "SAGEMAKER_GUNICORN_WORKERS")
TIMEOUTS = (
    "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS",
    "SAGEMAKER_MODEL_SERVER_TIMEOUT",
    "SAGEMAKER_TS_RESPONSE_TIMEOUT",
    "TS_DEFAULT_RESPONSE_TIMEOUT",
    "MMS_DEFAULT_RESPONSE_TIMEOUT",
    "SAGEMAKER_GUNICORN_TIMEOUT_SECONDS",
    "SAGEMAKER_NGINX_PROXY_READ_TIMEOUT_SECONDS",
)
MAX_REQUEST = ("TS_MAX_REQUEST_SIZE", "MMS_MAX_REQUEST_SIZE", "MAX_CONTENT_LENGTH")
"""The same settings under the names of AWS's several images; of those that are set the first counts."""


@dataclass(frozen=True, slots=True)
class Config:
    """`program` is empty in algorithm mode. `framework` is a row of `frameworks.FRAMEWORKS`."""

    base: Path
    framework: str
    program: str
    submit_directory: str
    socket: Path
    workers: int
    threads: int
    """OpenMP threads of one worker."""
    timeout: float
    """Longest answer in seconds; past it the worker is replaced."""
    default_accept: str
    model_archive: Path | None
    code_archive: Path | None
    additional_archives: tuple[Path, ...] = ()
    """Of data beside the model, each called like its channel."""
    startup_seconds: float = 600.0
    """Longest time a worker may take to load the model; past it the server ends."""
    max_body: int | None = None
    """Bytes; larger bodies are answered 413. `None`: no limit but the platform's."""
    register: Path | None = None
    """Where a server of several models notes which it has loaded; `None`: it has one, loaded at its start."""
    models_bytes: int = 0
    """Memory that the models of all workers may take together."""

    @property
    def libraries(self) -> Path:
        """Shared libraries that came with the model, if any did."""
        return self.base / "shared_libs"

    @property
    def model_dir(self) -> Path:
        return self.base / "model"

    @property
    def code_dir(self) -> Path:
        """Where the user's script lies: unpacked beside the model, else wherever the variable says."""
        if self.code_archive:
            return self.base / "code"
        local = self.submit_directory.removeprefix("file://")
        named = Path(local) if local.startswith("/") else self.model_dir / "code"
        return named if named.is_dir() else self.model_dir / "code"


def from_environment(env: Mapping[str, str]) -> Config:
    """Raises `ValueError` for a number that is none."""
    base = Path(env.get("SAGEMAKER_BASE_DIR") or "/opt/ml")
    archive, code = env.get("CLARY_MODEL_ARCHIVE"), env.get("CLARY_CODE_ARCHIVE")
    socket = Path(env.get("CLARY_SOCKET") or "/opt/clary/run/serve.sock")
    workers = _workers(env)
    return Config(
        base=base,
        framework=env.get("CLARY_FRAMEWORK", ""),
        program=env.get("SAGEMAKER_PROGRAM", ""),
        submit_directory=env.get("SAGEMAKER_SUBMIT_DIRECTORY", ""),
        socket=socket,
        workers=workers,
        threads=threads(env),
        timeout=float(_first(env, TIMEOUTS) or 60),
        default_accept=env.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", ""),
        model_archive=Path(archive) if archive else None,
        code_archive=Path(code) if code else None,
        additional_archives=tuple(Path(each) for each in env.get("CLARY_ADDITIONAL_ARCHIVES", "").split(":") if each),
        startup_seconds=float(env.get("SAGEMAKER_STARTUP_TIMEOUT") or 600),
        max_body=_max_body(env),
        register=socket.parent / "loaded" if env.get("SAGEMAKER_MULTI_MODEL", "").lower() == "true" else None,
        models_bytes=_models_bytes(env),
    )


def threads(env: Mapping[str, str]) -> int:
    """Of OpenMP, for each worker. Raises `ValueError` for a number that is none."""
    return max(1, cpus(env) // _workers(env))


def _workers(env: Mapping[str, str]) -> int:
    return int(_first(env, WORKERS) or 0) or default_workers(env, env.get("CLARY_MODEL_ARCHIVE"))


def _first(env: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((env[name] for name in names if env.get(name)), "")


def _max_body(env: Mapping[str, str]) -> int | None:
    """Batch transform says 0 where a payload may be of any size."""
    if megabytes := float(env.get("SAGEMAKER_MAX_PAYLOAD_IN_MB") or 0):
        return int(megabytes * (1 << 20))
    return int(_first(env, MAX_REQUEST) or 0) or None


def _models_bytes(env: Mapping[str, str]) -> int:
    """What is left of the instance's memory when the server itself and the calls have theirs."""
    if megabytes := int(env.get("CLARY_MODELS_MEMORY_MB") or 0):
        return megabytes << 20
    return min(memory(), int(env.get("CLARY_MEMORY_BYTES") or memory())) * 3 // 4


def cpus(env: Mapping[str, str]) -> int:
    """What the instance type gives; a quota does not show in the machine's own figures."""
    machine = len(os.sched_getaffinity(0))
    return min(int(env.get("CLARY_CPUS") or machine), machine)


def default_workers(env: Mapping[str, str], archive: str | None) -> int:
    """One per CPU but one, which the rest of the machine needs, and no more than memory holds. Batch transform, which
    nobody waits for call by call, has one per CPU.

    A worker is taken to need 0.5 GB and eight times its archive: compressed, then unpacked, then loaded.
    """
    size = Path(archive).stat().st_size if archive and Path(archive).is_file() else 0
    room = min(memory(), int(env.get("CLARY_MEMORY_BYTES") or memory()))
    spared = 0 if env.get("SAGEMAKER_BATCH", "").lower() == "true" else 1
    return int(max(1, min(cpus(env) - spared, room // (GIGABYTE // 2 + 8 * size))))


def memory() -> int:
    """Bytes the machine can still give."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))

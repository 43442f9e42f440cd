"""Every setting of Clary: one table, read from defaults, a TOML file and `CLARY_*` variables, in that order.

`docs/settings.md` lists them; a test keeps the two equal.
"""

import json
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

PERIODS = (1, 5, 10, 20, 30, 60)
"""Seconds: the periods that CloudWatch's metrics can be asked for, up to AWS's own of target tracking."""
ENDPOINT = re.compile(r"https?://[^/?#@\s]+/?")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One value for the whole process tree; field names are the TOML keys and, upper-cased, the variables."""

    home: Path = Path.home() / ".clary"
    host: str = "127.0.0.1"
    port: int = 8470
    workers: int = 1
    account: str = "123456789012"
    region: str = "us-east-1"
    database: str = ""
    """SQLAlchemy URL; empty means SQLite in `home/clary.db`."""
    s3_endpoint: str = ""
    """URL of an external S3 that keeps all objects; empty means this machine's disk."""
    s3_region: str = ""
    """Its region; empty means `region`."""
    s3_access_key: str = ""
    s3_secret_key: str = ""
    """Clary's own there; empty means what AWS's usual chain finds."""
    takeover_seconds: Annotated[float, msgspec.Meta(ge=0.0)] = 30.0
    """How long no server of a PostgreSQL database may lead before another than the last one does."""
    environments: Path | None = None
    """Where runtime environments are built; `None` means `home/environments`. Several homes may share one folder."""
    slots: int | None = None
    """Instances of jobs and endpoints that may run at once; `None` means four for each core."""
    backend: Literal["local", "ray"] = "local"
    """Where instances run: `local` is this machine, `ray` a Ray cluster."""
    ray_address: str = ""
    """Of the Ray cluster, `host:port`; this machine is one of its nodes."""
    processes: int = 4096
    """Processes and threads that one instance may have."""
    fleet: Path | None = None
    """File of hosts with their Regions, zones and instance types; `None` is this machine alone, in any Region."""
    containers: str = "auto"
    """What runs other images than AWS's: `auto` finds Docker's or podman's socket, `unix:///path` names one, `off`."""
    gpu_types_on_cpu: bool = False
    """Run jobs that ask for a GPU type on the CPU of a machine without GPU, instead of refusing them."""
    file_systems: dict[str, Path] | None = None
    """Directories of this machine that stand for EFS and FSx file systems, by `fs-…`. As a variable: JSON."""
    host_metrics_seconds: float = 60.0
    """Between two measurements of what instances of jobs and endpoints use of their hosts; 0 makes none."""
    spot_interruptions_per_hour: Annotated[float, msgspec.Meta(ge=0.0)] = 0.0
    """Mean rate at which running spot training jobs are interrupted, by chance; 0 leaves it to `clary interrupt`."""
    spot_discount: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.0
    """The part of a spot job's running time that is not billed, from 0 to 1: what `BillableTimeInSeconds` shows."""
    sns_topics: dict[str, str] | None = None
    """Where notifications to SNS topics go, by topic ARN: an http(s) URL or an s3:// prefix; else to a log stream. As
    a variable: JSON."""
    freeze_failed_seconds: float = 0.0
    """How long the files of a failed training job are kept, for `clary shell`; 0 removes them at once."""
    clock_skew_seconds: int = 900
    max_request_bytes: int = 32 * 1024 * 1024
    """Largest body of any API but S3, which streams."""

    capture_seconds: Annotated[float, msgspec.Meta(gt=0.0)] = 10.0
    """Between two writes of captured calls to S3: what a server that is killed may lose of them."""
    max_invocation_bytes: int = 6_291_456
    """Largest body of InvokeEndpoint; AWS's API model says this, its newer documentation 25 MB."""
    serverless_idle_seconds: Annotated[float, msgspec.Meta(ge=0.0)] = 300.0
    """How long an instance of a serverless variant is kept for its next call."""
    empty_instance_seconds: Annotated[float, msgspec.Meta(ge=0.0)] = 300.0
    """How long an instance that managed instance scaling may end is kept without copies of inference components."""
    endpoint_startup_seconds: float = 240.0
    """How long a new instance may wait for room, and then again take to become healthy, where its variant gives no
    ContainerStartupHealthCheckTimeoutInSeconds."""
    scaling_period_seconds: int = 60
    """What a minute of target tracking lasts: its alarms look at 3 such periods to scale out and at 15 to scale in."""

    @property
    def url(self) -> str:
        """Where clients of this machine reach the server."""
        return f"http://{self.host}:{self.port}"

    def __post_init__(self) -> None:
        if self.s3_endpoint and not ENDPOINT.fullmatch(self.s3_endpoint):
            raise ValueError(f"`s3_endpoint` must be http(s)://host[:port], without a path: {self.s3_endpoint}")
        for topic, place in (self.sns_topics or {}).items():
            if not place.startswith(("http://", "https://", "s3://")):
                raise ValueError(f"`sns_topics` must map to http(s):// or s3://: {topic} is {place}")
        if self.scaling_period_seconds not in PERIODS:
            raise ValueError(f"`scaling_period_seconds` must be one of {PERIODS}")
        if bool(self.s3_access_key) != bool(self.s3_secret_key):
            raise ValueError("`s3_access_key` and `s3_secret_key` go together")


TABLES = frozenset({"file_systems", "sns_topics"})
"""Settings that are JSON when they come as variables."""


def load(environ: dict[str, str] | None = None, **overrides: Any) -> Settings:
    """Settings from the TOML file (`CLARY_CONFIG`, else `<home>/clary.toml`), then variables, then `overrides`.

    Raises `msgspec.ValidationError` naming the bad key.
    """
    env = dict(os.environ) if environ is None else environ
    names = set(Settings.__struct_fields__)
    given = {name: env[f"CLARY_{name.upper()}"] for name in names if f"CLARY_{name.upper()}" in env}
    tables = {name: _table(given[name]) for name in given.keys() & TABLES}
    chosen = given | tables | {name: value for name, value in overrides.items() if value is not None}
    home = Path(str(chosen.get("home", Settings().home))).expanduser()
    file = Path(env.get("CLARY_CONFIG", home / "clary.toml"))
    stored = tomllib.loads(file.read_text()) if file.is_file() else {}
    return msgspec.convert(
        stored | chosen | {"home": home.absolute()}, Settings, strict=False, dec_hook=lambda t, v: t(v)
    )


def variables(settings: Settings) -> dict[str, str]:
    """What `load` reads these settings from: every one that has a value, also defaults, which a file may gainsay."""
    told = {name: value for name, value in msgspec.to_builtins(settings, enc_hook=str).items() if value is not None}
    return {
        f"CLARY_{name.upper()}": json.dumps(value) if name in TABLES else str(value) for name, value in told.items()
    }


def _table(text: str) -> Any:
    """What is no JSON is left as it is, to be refused by the setting's name."""
    try:
        return json.loads(text)
    except ValueError:
        return text

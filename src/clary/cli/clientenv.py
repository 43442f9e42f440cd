"""The environment that points unmodified AWS clients at this Clary: `clary env` prints it, `clary run` uses it."""

import os
import shlex
from pathlib import Path

import msgspec

from clary.cli import running
from clary.cli.failures import NotStarted
from clary.settings import Settings

PLUGIN_FOLDER = Path(__file__).parent.parent / "client_plugin"


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What the first start left in `secrets/credentials.json`."""

    access_key: str
    secret: str
    session_token: str = ""


def credentials_file(settings: Settings) -> Path:
    return settings.home / "secrets" / "credentials.json"


def credentials(settings: Settings) -> Credentials:
    """The default user's keys. Raises `NotStarted`."""
    try:
        return msgspec.json.decode(credentials_file(settings).read_bytes(), type=Credentials)
    except FileNotFoundError as missing:
        raise NotStarted(f"No keys in {settings.home} yet. Start Clary first: clary up") from missing


def variables(settings: Settings) -> dict[str, str]:
    """Variable to value, for boto3, the AWS CLI and both SageMaker SDKs. Writes the SDKs' configuration file.

    An empty value means: unset, because a left-over one would win.
    """
    keys = credentials(settings)
    return {
        "AWS_ENDPOINT_URL": running.url(settings),
        "AWS_DEFAULT_REGION": settings.region,
        "AWS_REGION": settings.region,
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret,
        "AWS_SESSION_TOKEN": keys.session_token,
        "AWS_PROFILE": "",
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(_sdk_configuration(settings)),
        "BOTOCORE_EXPERIMENTAL__PLUGINS": "clary=clary_client",
        "PYTHONPATH": str(PLUGIN_FOLDER),
    }


def exports(settings: Settings) -> list[str]:
    """Shell lines. PYTHONPATH is put in front of what the shell has."""
    lines = []
    for name, value in variables(settings).items():
        quoted = shlex.quote(value)
        if name == "PYTHONPATH":
            quoted += '"${PYTHONPATH:+:$PYTHONPATH}"'
        lines.append(f"export {name}={quoted}" if value else f"unset {name}")
    return lines


def applied(settings: Settings, environ: dict[str, str] | None = None) -> dict[str, str]:
    """A whole environment with the variables in it."""
    base = dict(os.environ) if environ is None else dict(environ)
    wanted = variables(settings)
    if before := base.get("PYTHONPATH"):
        wanted["PYTHONPATH"] += os.pathsep + before
    merged = base | wanted
    return {name: value for name, value in merged.items() if value or name not in wanted}


def _sdk_configuration(settings: Settings) -> Path:
    """SageMaker SDK v2 and v3 read this file; JSON is YAML. Without the opt-out they call AWS after every operation."""
    modules = {"Session": {"DefaultS3Bucket": f"sagemaker-{settings.region}-{settings.account}"}}
    content = {
        "SchemaVersion": "1.0",
        "SageMaker": {"PythonSDK": {"Modules": modules | {"TelemetryOptOut": True}}},
    }
    file = settings.home / "sagemaker-sdk.yaml"
    text = msgspec.json.format(msgspec.json.encode(content)) + b"\n"
    if not file.exists() or file.read_bytes() != text:
        fresh = file.with_suffix(f".{os.getpid()}")
        fresh.write_bytes(text)
        fresh.replace(file)
    return file

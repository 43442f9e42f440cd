"""A podman of the tests' own: its socket, its storage, and a base image made of this machine's programs.

Nothing is pulled from anywhere. Where podman cannot run containers, `start` skips the test and says why.
"""

import io
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import msgspec
import pytest

from clary.runtime.containers.engine import Engine, EngineError
from clary.runtime.containers.find import Found
from clary.runtime.containers.images import Containers

BASE = "localhost/clary-test/base:1"
PYTHON = Path("/usr/bin/python3")
PROGRAMS = (
    *("sh", "cat", "echo", "sleep", "seq", "ls", "mkdir", "chmod", "chown", "head", "tr", "true", "setsid", "touch"),
    *("rm", "id", "env", "ln", "readlink", "grep"),
)
LEFT_OUT = {"test", "tests", "idlelib", "lib2to3", "pydoc_data", "tkinter", "ensurepip", "distutils"}
SEARCH_PATH = "ENV PATH=/usr/local/bin:/usr/bin:/bin"
RUNTIMES = ("crun", "runc")
NETWORKS = ("podman", "bridge", "host", "none")
"""Those that an engine has by itself."""
DRIVERS = ("overlay", "vfs")
PROBE = {"Image": BASE, "Cmd": ["true"], "HostConfig": {"NetworkMode": "none"}}


class Podman:
    """`podman system service` with its own storage below `folder`; leaving the context ends it and deletes that."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # podman takes no path of more than 50 characters for it.
        self._running = tempfile.mkdtemp(prefix="clary-")
        self.url = f"unix://{folder}/p.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def engine(self) -> Engine:
        return Engine(self.url)

    def start(self) -> Self:
        """With the first runtime and storage driver that work here."""
        if not shutil.which("podman"):
            pytest.skip("podman is not installed")
        if not PYTHON.exists():
            pytest.skip("the base image is made of the system's own Python, which this machine lacks")
        why = ""
        for driver in DRIVERS:
            for runtime in RUNTIMES:
                if not shutil.which(runtime):
                    continue
                try:
                    self._serve(driver, runtime)
                    if not self.has(BASE):
                        self._import_base()
                    self._try()
                    return self
                except (EngineError, AssertionError) as error:
                    why = f"{driver}, {runtime}: {error}"
                    self._end()
            self._wipe()
        pytest.skip(f"podman cannot run containers here ({why})")

    def build(self, tag: str, dockerfile: str, files: dict[str, Path | str] | None = None) -> str:
        """An image from files by their names in the build's folder, unless there is one of this name; its name."""
        if not self.has(tag):
            context = _tar({"Dockerfile": dockerfile, **(files or {})})
            list(self.engine.stream("POST", "/build", context, t=tag, pull="0", forcerm="1"))
        return tag

    def has(self, image: str) -> bool:
        return self.engine.call("GET", f"/images/{image}/json", accept=(404,)).get("Id") is not None

    def containers(self) -> list[str]:
        """Names of all there are, running or not."""
        return [
            name.lstrip("/") for each in self.engine.call("GET", "/containers/json", all="1") for name in each["Names"]
        ]

    def push(self, image: str, where: str, credentials: str) -> None:
        """`podman push` of an image under another name; `credentials` are `user:password`."""
        options = ["--tls-verify=false", "--creds", credentials]
        _run("podman", "--url", self.url, "push", *options, image, where)

    def left_over(self) -> list[str]:
        """Names of all containers, volumes, and networks but the engine's own."""
        volumes = self.engine.call("GET", "/volumes").get("Volumes") or ()
        networks = [each["Name"] for each in self.engine.call("GET", "/networks")]
        return [
            *self.containers(),
            *(each["Name"] for each in volumes),
            *(name for name in networks if name not in NETWORKS),
        ]

    def pause(self) -> None:
        """End the service alone: containers go on."""
        self._end()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It takes calls, and answers them at the end of the block."""
        assert self._process
        os.killpg(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self._process.pid, signal.SIGCONT)

    def restart(self) -> None:
        """End the service alone, and start it again."""
        self._end()
        self._serve(*self._chosen)

    def stop(self) -> None:
        self._end()
        self._wipe()

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            # Without root podman is two processes.
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None

    def _wipe(self) -> None:
        """Once what cleans up after containers has ended: it mounts the storage again."""
        end = time.monotonic() + 10
        while self._processes(but=b"--exit-delay") and time.monotonic() < end:
            time.sleep(0.02)
        for pid in self._processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for mounted in self._mounts():
            subprocess.run(["umount", "-l", mounted], capture_output=True, check=False)
        command = ["podman", "unshare", "rm", "-rf"] if os.geteuid() else ["rm", "-rf"]
        subprocess.run([*command, str(self.folder / "root"), self._running], capture_output=True, check=False)

    def _processes(self, but: bytes = b"/") -> list[int]:
        """Podman's own that work on the storage. What watched over a `podman exec` stays for five minutes more."""
        root = f"{self.folder}/root".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (process / "cmdline").read_bytes().split(b"\0")
                if (root in words or b"--root=" + root in words) and but not in words:
                    found.append(int(process.name))
        return found

    def _mounts(self) -> list[str]:
        """Innermost first."""
        places = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        return [place for place in reversed(places) if place.startswith((f"{self.folder}/", f"{self._running}/"))]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _import_base(self) -> None:
        kind = {"Content-Type": "application/x-tar"}
        query = {"reference": BASE, "changes": SEARCH_PATH}
        self.engine.call("POST", "/v4.0.0/libpod/images/import", _tar(_base()), headers=kind, **query)

    def _serve(self, driver: str, runtime: str) -> None:
        self._chosen = driver, runtime
        options = [f"--root={self.folder}/root", f"--runroot={self._running}", f"--storage-driver={driver}"]
        options += [
            "--cgroup-manager=cgroupfs",
            "--events-backend=file",
            f"--runtime={runtime}",
        ]
        with (self.folder / "podman.log").open("ab") as log:
            command = ["podman", *options, "system", "service", "--time=0", self.url]
            # conmon leaves a file where it runs.
            place = {"cwd": self.folder, "stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            self._process = subprocess.Popen(command, start_new_session=True, **place)
        end = time.monotonic() + 100
        while True:
            try:
                self.engine.call("GET", "/_ping")
                return
            except EngineError:
                assert self._process.poll() is None, (self.folder / "podman.log").read_text()[-1000:]
                assert time.monotonic() < end, "podman does not answer"
            time.sleep(0.02)

    def _try(self) -> None:
        limits = {"Ulimits": [{"Name": name, "Soft": 1024, "Hard": 1024} for name in ("nofile", "nproc")]}
        made = self.engine.call("POST", "/containers/create", PROBE | {"HostConfig": limits | {"NetworkMode": "none"}})
        try:
            self.engine.call("POST", f"/containers/{made['Id']}/start")
            ended = self.engine.call("POST", f"/containers/{made['Id']}/wait")
        finally:
            self.engine.call("DELETE", f"/containers/{made['Id']}", force="1")
        assert ended["StatusCode"] == 0, f"a container ended with {ended}"


class TakenForDocker(Containers):
    """What podman does where Clary knows it as Docker only: by Docker's calls alone."""

    def found(self) -> Found:
        return msgspec.structs.replace(super().found(), name="docker")


class Promising(Containers):
    """An engine that says it holds limits, whether it does or not."""

    def found(self) -> Found:
        return msgspec.structs.replace(super().found(), limits=True)


class Given(Podman):
    """An engine that runs already, such as Docker, at the address that CLARY_TEST_ENGINE names."""

    def __init__(self, url: str) -> None:
        self.url = url

    def start(self) -> Self:
        """It is to be there: nothing is skipped."""
        if not self.has(BASE):
            self._import_base()
        return self

    def pause(self) -> None:
        pytest.skip("the engine is not the tests' own")

    restart = pause

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Nor can it be stopped for a while."""
        self.pause()
        yield

    def push(self, image: str, where: str, credentials: str) -> None:
        """`docker login`, `docker tag` and `docker push`."""
        user, _, password = credentials.partition(":")
        with tempfile.TemporaryDirectory() as folder:
            docker = ("docker", "--config", folder, "--host", self.url)
            _run(*docker, "login", "-u", user, "-p", password, where.split("/")[0])
            _run(*docker, "tag", image, where)
            _run(*docker, "push", where)

    def stop(self) -> None:
        """It goes on."""

    def _import_base(self) -> None:
        name, _, tag = BASE.rpartition(":")
        query = {"fromSrc": "-", "repo": name, "tag": tag, "changes": SEARCH_PATH}
        list(self.engine.stream("POST", "/images/create", _tar(_base()), **query))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _tar(files: dict[str, Path | str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            if isinstance(content, Path):
                tar.add(content, name, recursive=False)
            else:
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(content.encode()), 0o755
                tar.addfile(member, io.BytesIO(content.encode()))
    return packed.getvalue()


def _base() -> dict[str, Path | str]:
    """Python and a few programs with the libraries they need, by their place in the image."""
    version = PYTHON.readlink()
    programs = {name: Path(shutil.which(name, path="/usr/bin:/bin") or "/bin/true") for name in PROGRAMS}
    library = Path("/usr/lib", version)
    modules = [path for path in library.rglob("*") if path.is_file() and _is_needed(path)]
    native = [*programs.values(), PYTHON, *(path for path in modules if path.suffix == ".so")]
    files: dict[str, Path | str] = {str(path): path.resolve() for path in modules}
    files |= {path: Path(path).resolve() for path in _libraries(native)}
    files |= {f"/bin/{name}": path.resolve() for name, path in programs.items()}
    files |= {"/bin/python3": PYTHON.resolve(), "/bin/python": '#!/bin/sh\nexec /bin/python3 "$@"\n'}
    files["/etc/passwd"] = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/:/bin/sh\n"
    return files


def _is_needed(path: Path) -> bool:
    """Compiled modules are: without them each container compiles what it imports."""
    if LEFT_OUT & set(path.parts) or any(part.startswith("config-") for part in path.parts):
        return False
    return path.suffix != ".pyc" or ".opt-" not in path.name


def _libraries(programs: list[Path]) -> set[str]:
    listed = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False).stdout
    return {word for line in listed.splitlines() for word in line.split() if word.startswith("/") and ":" not in word}

"""Managed environments: built once, seen read-only, with a layer to install into. Built ones are kept between runs."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs
from tests.runtime.backend_conformance import Bench, until
from tests.servers import CACHE

from clary.runtime.environments import BuildFailed, Shelf, bytecode, lock
from clary.runtime.environments import build as building
from clary.runtime.indexes import Indexes, configured
from clary.runtime.local import LocalBackend

IMAGES = {
    "sklearn": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3",
    "xgboost": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1",
    "pytorch": "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.1.0-cpu-py310",
}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(lambda: LocalBackend(tmp_path, environments=CACHE / "environments", slots=8), tmp_path)
    yield bench
    for identity in bench.started:
        bench.make().destroy(identity)


def run(bench: Bench, name: str, script: str) -> list[str]:
    """The lines of a shell script in an environment, which is built first if need be."""
    workload = structs.replace(bench.workload("/bin/sh", "-c", script), image=IMAGES[name])
    until(lambda: bench.backend.prepare(workload.image, 0) is None, 280)
    bench.backend.start(workload)
    bench.ended(workload.id)
    return bench.lines(workload.id)


@pytest.mark.parametrize(
    ("name", "module", "version"),
    [("sklearn", "sklearn", r"1\.9"), ("xgboost", "xgboost", r"3\.0\.5"), ("pytorch", "torch", r"2\.13\.0\+c")],
)
def test_each_environment_has_its_framework_and_pip(bench: Bench, name: str, module: str, version: str) -> None:
    script = f"python3 -c 'import {module}, pandas; print({module}.__version__)'; pip --version; command -v pip"
    framework, pip, _ = run(bench, name, script)
    assert re.match(version, framework) and pip.startswith("pip ")


def test_torchrun_is_on_the_path(bench: Bench) -> None:
    assert run(bench, "pytorch", "torchrun --help | head -1")[0].startswith("usage: torchrun")


def test_pip_installs_for_the_job_alone(bench: Bench, tmp_path: Path) -> None:
    """The package is made on the spot, so no index is needed."""
    script = """mkdir -p /tmp/p && cd /tmp/p && mkdir -p mine && echo 'word = "installed"' > mine/__init__.py
cat > pyproject.toml <<END
[project]
name = "mine"
version = "1"
[project.scripts]
mine = "mine:print"
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
END
pip install -q --no-build-isolation --no-deps . && cd /
python -c 'import mine, numpy; print(mine.word, mine.__file__)'
command -v mine
touch $(dirname $(python -c 'import numpy; print(numpy.__file__)'))/x 2>/dev/null && echo writable"""
    first = run(bench, "sklearn", script)
    assert first[-2:] == ["installed /opt/clary/venv/lib/" + first[-2].split("/lib/")[1], "/opt/clary/venv/bin/mine"]
    assert run(bench, "sklearn", "python -c 'import mine' 2>&1 | tail -1") == [
        "ModuleNotFoundError: No module named 'mine'"
    ]


def test_a_failed_build_says_what_the_tool_said_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    shelf = Shelf(tmp_path / "environments")
    with pytest.raises(BuildFailed, match="boto3"):
        until(lambda: shelf.prepare("sklearn") is None)
    assert not shelf.path("sklearn").exists()
    assert [path.name for path in shelf.root.iterdir() if path.is_dir()] == []


def test_the_lock_without_cuda_asks_for_the_cpu_build() -> None:
    small = lock.without_cuda(lock.text("pytorch"))
    assert re.search(r"^torch==[\d.]+\+cpu$", small, re.MULTILINE)
    assert not re.search(r"^(nvidia|triton|cuda)", small, re.MULTILINE)
    assert {line.split("==")[0] for line in small.splitlines()} >= {"numpy", "pandas", "pip"}


def test_locks_name_no_place_and_pin_everything() -> None:
    for name in IMAGES:
        for line in lock.text(name).splitlines():
            assert re.match(r"[a-z0-9.-]+==[\w.+!]+( ; .*)?$", line), line


def test_pips_configuration_is_read_and_passed_on(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "pip.conf").write_text(
        f"[global]\nindex-url = https://mirror/simple\nextra-index-url = file://{tmp_path}/wheels\n  https://two/simple\n"
        "[install]\ntrusted-host = mirror\n"
    )
    environ = {
        "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"),
        "PIP_FIND_LINKS": str(tmp_path / "wheels"),
        "HOME": "/none",
    }
    found = configured(environ)
    assert found.for_uv() == found.for_uv() | {
        "UV_DEFAULT_INDEX": "https://mirror/simple",
        "UV_INDEX": f"file://{tmp_path}/wheels https://two/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": str(tmp_path / "wheels"),
        "UV_INSECURE_HOST": "mirror",
    }
    assert found.for_pip()["PIP_EXTRA_INDEX_URL"] == f"file://{tmp_path}/wheels https://two/simple"
    assert tmp_path / "wheels" in found.folders()
    assert Indexes().for_uv() == {} == Indexes().for_pip()


def test_of_an_index_on_disk_the_files_are_shown_too(tmp_path: Path) -> None:
    (tmp_path / "mirror" / "simple").mkdir(parents=True)
    (tmp_path / "pages").mkdir()
    places = (f"file://{tmp_path}/mirror/simple", f"file://{tmp_path}/pages")
    assert Indexes(extra_index_url=places).folders() == [tmp_path / "mirror", tmp_path / "pages"]
    assert Indexes(index_url="file:///simple").folders() == []


def test_bytecode_is_shared_with_an_environment_of_the_same_files(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    ours, theirs = (place / "lib" / f"python3.{sys.version_info[1]}" / "site-packages" for place in (first, second))
    for name, text in {"p/shared.py": "x = 1", "p/broken.py": "x =", "p/tests/long.py": "x = 2"}.items():
        (ours / name).parent.mkdir(parents=True, exist_ok=True)
        (ours / name).write_text(text)
    bytecode.complete(first, [])
    shutil.copytree(first, second, copy_function=os.link, ignore=shutil.ignore_patterns("__pycache__"))
    (theirs / "p/own.py").write_text("x = 3")
    bytecode.complete(second, [first, tmp_path / "being removed"])
    tag = f"{sys.implementation.cache_tag}.pyc"
    found = {place: {str(file.relative_to(place)) for file in place.rglob("*.pyc")} for place in (ours, theirs)}
    assert found[ours] == {f"p/__pycache__/shared.{tag}"}
    assert found[theirs] == {f"p/__pycache__/shared.{tag}", f"p/__pycache__/own.{tag}"}
    assert (ours / f"p/__pycache__/shared.{tag}").samefile(theirs / f"p/__pycache__/shared.{tag}")


def test_sshd_lies_among_the_machines_own_programs(tmp_path: Path) -> None:
    machines, sshd = tmp_path / "sbin", tmp_path / "sshd"
    machines.mkdir()
    for name in ("fsck", "sshd"):
        (machines / name).write_text("the machine's")
    (machines / "addgroup").symlink_to("adduser")
    sshd.write_text("ours")
    building._write_system(tmp_path / "shown", sshd, machines)
    shown = {file.name: str(file.readlink()) for file in (tmp_path / "shown").iterdir() if file.is_symlink()}
    assert shown == {"fsck": "/opt/clary/sbin/fsck", "addgroup": "adduser"}
    assert (tmp_path / "shown/sshd").read_text() == "ours"
    (tmp_path / "merged").symlink_to("sbin")
    building._write_system(tmp_path / "not shown", sshd, tmp_path / "merged")
    assert not (tmp_path / "not shown").exists()


def test_scripts_are_found_whatever_starts_them() -> None:
    assert building._python_script(b"#!/venv/bin/python\nx\n") == b"x\n"
    assert building._python_script(b"#!/bin/sh\n'''exec' \"$0\"/'python' \"$0\"\n' '''\nx\n") == b"x\n"
    assert building._python_script(b"\x7fELF") is None

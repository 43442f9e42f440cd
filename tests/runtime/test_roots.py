"""Folders of a tree that others may change: mounted without following a link, whoever put it there and when."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.podman import BASE, Podman, TakenForDocker
from tests.runtime.backend_conformance import Bench, until

from clary.runtime import sandbox
from clary.runtime.containers import find
from clary.runtime.containers.images import Containers
from clary.runtime.local import LocalBackend
from clary.runtime.shim.below import open_folder
from clary.runtime.workload import Mount


@pytest.fixture(params=["bubblewrap", "namespaces", "container"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "container":
        bench = _in_containers(request.getfixturevalue("podman"), tmp_path)
    elif sandbox.works(request.param):
        bench = Bench(lambda: LocalBackend(tmp_path, rung=request.param), tmp_path)
    else:
        pytest.skip(f"this machine does not allow {request.param}")
    yield bench
    for identity in bench.started:
        bench.make().destroy(identity)


def _in_containers(podman: Podman, home: Path) -> Bench:
    if find.ask(podman.url).name == "docker":
        pytest.skip("Docker mounts by name, and is not given such folders")
    return Bench(lambda: LocalBackend(home, containers=Containers(podman.url, home)), home, BASE)


def mount(root: Path, path: str, name: str = "a", writable: bool = False) -> Mount:
    return Mount(source=str(root / path), target=f"/opt/ml/input/data/{name}", writable=writable, root=str(root))


def test_folders_are_there_and_their_descriptors_are_not(bench: Bench, tmp_path: Path) -> None:
    root = tmp_path / "tree"
    (root / "one/deep").mkdir(parents=True)
    (root / "one/deep/file").write_text("content")
    (root / "two").mkdir()
    script = """
cd /opt/ml/input/data; cat a/file; echo; touch a/new 2>/dev/null || echo read-only; touch b/new; ls c
for fd in /proc/self/fd/*; do readlink $fd; done | grep -v -e pipe: -e /null -e /proc/ -e '^anon'
"""
    mounts = (mount(root, "one/deep"), mount(root, "two", "b", writable=True), mount(root, "", "c"))
    state, lines = bench.run("/bin/sh", "-c", script, instance={"mounts": mounts})
    assert (lines, state.exit_code) == (["content", "read-only", "one", "two"], 1)
    assert (root / "two/new").exists()


@pytest.mark.parametrize("path", ["link", "link/below", "one/link", "missing"])
def test_a_link_in_the_way_keeps_the_process_from_starting(bench: Bench, tmp_path: Path, path: str) -> None:
    root, other = tmp_path / "tree", tmp_path / "other"
    (root / "one").mkdir(parents=True)
    (other / "below").mkdir(parents=True)
    (root / "link").symlink_to(other)
    (root / "one/link").symlink_to(other)
    state, lines = bench.run("/bin/ls", "/opt/ml/input/data", instance={"mounts": (mount(root, path),)})
    assert state.cause == "platform"
    assert "could not be" in state.message and lines == [state.message]


def test_a_root_may_be_reached_by_links(tmp_path: Path) -> None:
    (tmp_path / "real/below").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(NotADirectoryError):
        open_folder(str(tmp_path), f"{tmp_path}/link/below")
    assert open_folder(f"{tmp_path}/link", f"{tmp_path}/link/below") > 2


def test_a_link_put_there_while_a_container_is_made_keeps_it_from_starting(podman: Podman, tmp_path: Path) -> None:
    root, other = tmp_path / "tree", tmp_path / "other"
    (root / "one").mkdir(parents=True)
    other.mkdir()
    (other / "secret").touch()
    bench = _in_containers(podman, tmp_path)
    with podman.frozen():
        identity = bench.start("/bin/ls", "/opt/ml/input/data/a", instance={"mounts": (mount(root, "one"),)})
        until(lambda: _is_open(str(root / "one")))
        (root / "one").rename(root / "before")
        (root / "one").symlink_to(other)
    state = bench.ended(identity)[0]
    bench.backend.destroy(identity)
    assert state.cause == "platform" and "was replaced while it was mounted" in state.message
    assert podman.containers() == []


def test_docker_is_not_given_such_folders(podman: Podman, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    docker = LocalBackend(tmp_path, containers=TakenForDocker(podman.url, tmp_path))
    bench = Bench(lambda: docker, tmp_path, BASE)
    state, _ = bench.run("/bin/true", instance={"mounts": (mount(tmp_path, "one"),)})
    docker.destroy(bench.started[0])
    assert state.cause == "platform" and "File systems need podman." in state.message


def _is_open(folder: str) -> bool:
    """By any process of this user's, such as the shim's child."""
    for fd in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if str(fd.readlink()) == folder:
                return True
    return False

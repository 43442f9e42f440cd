"""What a container starts from is kept, whatever becomes of where it came from."""

from pathlib import Path
from typing import Any

from clary.capabilities.model_containers.keep import Artefacts, ModelData, drop, keep


def test_kept_artefacts_are_links_that_outlive_their_sources(tmp_path: Path) -> None:
    sources = [tmp_path / name for name in ("a", "b", "c", "d", "x")]
    for source in sources:
        source.write_text(source.name)
    more = {"..x": ModelData(sources[3]), "draft": ModelData(files=(("deep/y", sources[4]),))}
    found = Artefacts(ModelData(sources[0], (("deep/x", sources[1]),)), sources[2], more)
    kept = keep(tmp_path / "e" / "1-v", lambda: found)
    assert [file.stat().st_ino for file in held(kept)] == [source.stat().st_ino for source in sources]
    for source in sources:
        source.unlink()

    def lost() -> Any:
        raise AssertionError("looked for again")

    again = keep(tmp_path / "e" / "1-v", lost)
    assert again == kept
    assert ([name for name, _ in again.model.files], list(again.additional)) == (["deep/x"], ["..x", "draft"])
    assert [file.read_text() for file in held(again)] == ["a", "b", "c", "d", "x"]


def held(artefacts: Artefacts) -> list[Path]:
    """Every file, in the order of what it is for."""
    (packed, draft), model = artefacts.additional.values(), artefacts.model
    files = (model.archive, model.files[0][1], artefacts.code, packed.archive, draft.files[0][1])
    return [file for file in files if file]


def test_keeping_that_was_cut_short_is_done_anew(tmp_path: Path) -> None:
    (tmp_path / "m").write_text("m")
    half = tmp_path / "e" / "1-v.new"
    half.mkdir(parents=True)
    (half / "model.tar.gz").write_text("half")
    kept = keep(tmp_path / "e" / "1-v", lambda: Artefacts(ModelData(tmp_path / "m")))
    assert kept.model.archive and kept.model.archive.read_text() == "m"


def test_what_no_fleet_needs_is_dropped(tmp_path: Path) -> None:
    for name in ("1-v", "2-v"):
        keep(tmp_path / "e" / name, Artefacts)
    drop(tmp_path / "e", {"2-v"})
    assert [folder.name for folder in (tmp_path / "e").iterdir()] == ["2-v"]
    drop(tmp_path / "e")
    assert not (tmp_path / "e").exists()

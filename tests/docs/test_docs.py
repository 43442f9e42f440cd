"""The written pages against the code they speak of."""

import re
import subprocess
from pathlib import Path

import pytest
from tests.servers import REPOSITORY

from clary.cli import coverage
from clary.settings import Settings

SOURCE = REPOSITORY / "src/clary"
PAGES = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md"), *SOURCE.glob("**/README.md")])
MENTIONED = re.compile(r"`((?:[\w-]+/)*[\w-]+\.py)`")
USERS = {"train.py", "src/train.py", "inference.py"}
LINK = re.compile(r"\[[^\]]+\]\(([^)#]+)[^)]*\)")


def test_every_setting_is_documented_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \|", (REPOSITORY / "docs/settings.md").read_text(), re.M)
    assert dict(rows) == {name: _shown(getattr(Settings(), name)) for name in Settings.__struct_fields__}


def _shown(value: object) -> str:
    words: dict[object, str] = {"": "empty", None: "none", Path.home() / ".clary": "`~/.clary`"}
    return words.get(value, f"`{value}`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    assert [link for link in targets if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_files_spoken_of_exist(page: Path) -> None:
    """By a name that some file of the package has, or by their path from here, the package or the page."""
    names = {path.name for path in SOURCE.rglob("*.py")} | USERS
    told = [name for name in MENTIONED.findall(page.read_text()) if name not in names]
    assert [
        name for name in told if not any((place / name).exists() for place in (REPOSITORY, SOURCE, page.parent))
    ] == []


def test_every_decision_is_listed() -> None:
    folder = REPOSITORY / "docs/decisions"
    listed = LINK.findall((folder / "README.md").read_text())
    assert sorted([*listed, "README.md"]) == sorted(path.name for path in folder.iterdir())


def test_every_capability_has_a_page() -> None:
    folders = {Path(file).parent for file in (SOURCE / "capabilities").glob("*/api.py")} | {SOURCE / "companions"}
    assert [folder.name for folder in folders if not (folder / "README.md").exists()] == []


def test_make_knows_the_readmes_commands() -> None:
    told = set(re.findall(r"^make (\w+)", (REPOSITORY / "README.md").read_text(), re.M))
    assert told == {"demo", "test"}
    for target in told:
        subprocess.run(["make", "--dry-run", target], cwd=REPOSITORY, check=True, capture_output=True)


def test_clary_knows_the_readmes_commands() -> None:
    from clary.cli.main import _parser

    told = set(re.findall(r"clary (\w+)", (REPOSITORY / "README.md").read_text()))
    known = _parser().format_help()
    assert {word for word in told if not re.search(rf"^ +{word}( |$)", known, re.M)} == set()


def test_coverage_page_is_up_to_date() -> None:
    written = (REPOSITORY / "docs/coverage.md").read_text()
    assert written == coverage.page(coverage.answers()), "make docs/coverage.md"

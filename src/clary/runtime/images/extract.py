"""Makes `table.json` from the image lists that ship inside the SageMaker Python SDKs. Run by a maintainer:

uv pip install --no-deps --target /tmp/sdk2 "sagemaker<3"; uv pip install --no-deps --target /tmp/sdk3 sagemaker-core
python -m clary.runtime.images.extract /tmp/sdk2/sagemaker/image_uri_config \
    /tmp/sdk3/sagemaker/core/image_uri_config
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parent / "table.json"

Found = dict[str, tuple[str, dict[str, set[str]]]]


def main(folders: list[str]) -> None:
    """Write the table: each repository's framework, and the accounts that own it by region."""
    found: Found = {}
    for folder in folders:
        for file in sorted(Path(folder).glob("*.json")):
            for repository, registries in _lists(json.loads(file.read_text())):
                _, regions = found.setdefault(repository, (file.stem, {}))
                for region, account in registries.items():
                    regions.setdefault(region, set()).update([account] if isinstance(account, str) else account)
    TABLE.write_text(json.dumps(_compact(found), indent=1, sort_keys=True) + "\n")


def _lists(node: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every `registries` with the `repository` names beside it or below."""
    if not isinstance(node, dict):
        return
    if isinstance(node.get("registries"), dict):
        for repository in _repositories(node.get("repository", [])):
            yield repository, node["registries"]
    for below in node.values():
        yield from _lists(below)


def _repositories(named: Any) -> list[str]:
    if isinstance(named, str):
        return [named]
    return [name for name in (named.values() if isinstance(named, dict) else named) if isinstance(name, str)]


def _compact(found: Found) -> dict[str, Any]:
    """Equal account lists are stored once."""
    lists: list[dict[str, str]] = []
    repositories = {}
    for repository, (framework, regions) in sorted(found.items()):
        accounts = {region: " ".join(sorted(owners)) for region, owners in sorted(regions.items())}
        if accounts not in lists:
            lists.append(accounts)
        repositories[repository] = [framework, lists.index(accounts)]
    return {"accounts": lists, "repositories": repositories}


if __name__ == "__main__":
    main(sys.argv[1:])

"""What threads may do with msgspec.

It prepares a class of structs when the class is first used, without a lock: two threads that are the first together
crash the process. So decoders are made where modules are imported, which happens once.
"""

import re
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src/clary"
IN_FUNCTIONS = re.compile(r"^ +.*(json\.decode\(.*type=(\w+\[)*_?[A-Z](?!ny)|msgspec\.convert\()", re.M)
PREPARED = {
    "capabilities/endpoints/fleet.py",
    "capabilities/recommendations/trials.py",
    "catalogue/fleet.py",
    "resources/edit.py",
    # One thread, before there are others.
    "settings.py",
    "cli/clientenv.py",
    "cli/jobs.py",
    "cli/running.py",
    # Request is a plain dictionary.
    "resources/tokens.py",
}


def test_no_thread_is_the_first_to_use_a_class_of_structs() -> None:
    found = {str(file.relative_to(SOURCE)) for file in SOURCE.rglob("*.py") if IN_FUNCTIONS.search(file.read_text())}
    assert found == PREPARED

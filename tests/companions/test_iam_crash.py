import json
import subprocess
import sys
from pathlib import Path

from clary.resources.store import Store


def test_first_start_survives_a_kill_at_every_line(tmp_path: Path) -> None:
    database = tmp_path / "template.db"
    Store(f"sqlite:///{database}").close()
    (tmp_path / "homes").mkdir()
    script = Path(__file__).with_name("crash_first_start.py")
    command = [sys.executable, str(script), str(tmp_path / "homes"), str(database)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    *outcomes, lines = done.stdout.splitlines()
    assert int(lines) > 30
    arn = "arn:aws:sts::123456789012:assumed-role/SageMakerRole/clary"
    wanted = [True, arn, {"AccessKey": 1, "IamRole": 2}]
    assert {outcome for outcome in outcomes if json.loads(outcome) != wanted} == set()
    assert len(outcomes) == int(lines) - 1

"""`python -m clary.serving.load ASK OUTCOME`: one load test. Steps are JSON lines, the outcome a JSON file."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from clary.serving.load import asked
from clary.serving.load.signing import Signer
from clary.serving.load.users import Users


def main(ask_file: str, outcome_file: str) -> None:
    """The outcome: `steps`, `over` (why no further steps) and `trouble` (the first error of a call)."""
    ask = asked.read(json.loads(Path(ask_file).read_text()))
    env = os.environ
    signer = Signer(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env["AWS_SESSION_TOKEN"], ask.region)
    users = Users(ask, signer, lambda step: print(json.dumps({"step": step.plain()}), flush=True))
    steps = asyncio.run(_until_told(users))
    outcome = {"steps": [step.plain() for step in steps], "over": users.over, "trouble": users.trouble}
    fresh = Path(f"{outcome_file}.new")
    fresh.write_text(json.dumps(outcome))
    fresh.rename(outcome_file)


async def _until_told(users: Users) -> list[asked.Step]:
    """SIGTERM ends the test; what was found by then is kept."""
    work = asyncio.ensure_future(users.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
    return await work


if __name__ == "__main__":
    main(*sys.argv[1:])

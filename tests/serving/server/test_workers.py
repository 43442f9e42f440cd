"""The processes of a model server: what they do when a model is slow, stuck, killed or cannot be loaded."""

import json
import threading
from pathlib import Path

from tests.servers import PATIENCE, wait_until
from tests.serving.artefacts import ECHO
from tests.serving.server.conftest import ModelServer, Start

SLEEPER = """
import time
def model_fn(model_dir):
    return None
def transform_fn(model, body, content_type, accept):
    print("asleep", flush=True)
    time.sleep(float(body))
    return "slept"
"""


WAITER = """
import os, time
def model_fn(model_dir):
    return None
def transform_fn(model, body, content_type, accept):
    print("waits", flush=True)
    while not os.path.exists(body):
        time.sleep(0.01)
    return "waited"
"""


def answers(server: ModelServer) -> bool:
    try:
        return server.call(b"0", "text/csv").body == b"slept"
    except Exception:
        return False


def test_ping_is_answered_while_the_model_works(start: Start, tmp_path: Path) -> None:
    server = start("sklearn", {"code/inference.py": WAITER}, SAGEMAKER_MODEL_SERVER_WORKERS="1")
    work = threading.Thread(target=server.call, args=(str(tmp_path / "go").encode(), "text/csv"))
    work.start()
    wait_until(lambda: "waits" in server.log.read_text())
    pings = [server.call(path="/ping").status for _ in range(5)]
    assert (pings, work.is_alive()) == ([200] * 5, True)
    (tmp_path / "go").touch()
    work.join()


def test_stuck_worker_is_replaced(start: Start) -> None:
    server = start("sklearn", {"code/inference.py": SLEEPER}, SAGEMAKER_MODEL_SERVER_TIMEOUT="1")
    [stuck] = server.workers()
    reply = server.call(b"600", "text/csv")
    assert (reply.status, reply.body) == (500, b"the model did not answer within 1 seconds")
    wait_until(lambda: not stuck.is_running())
    wait_until(lambda: answers(server))


def test_killed_worker_is_replaced_and_the_others_go_on(start: Start) -> None:
    server = start("sklearn", {"code/inference.py": SLEEPER}, SAGEMAKER_MODEL_SERVER_WORKERS="2")
    wait_until(lambda: len(server.workers()) == 2)
    killed = server.workers()[0].pid
    server.workers()[0].kill()
    wait_until(lambda: killed not in {each.pid for each in server.workers()} and len(server.workers()) == 2)
    wait_until(lambda: answers(server))


def test_model_that_cannot_be_loaded_ends_the_server_with_the_reason(start: Start) -> None:
    server = start("sklearn", {"code/inference.py": "def model_fn(d): raise OSError('no weights')"}, wait=False)
    assert server.process.wait(PATIENCE) == 1
    assert "OSError: no weights" in server.log.read_text()


def test_script_that_is_not_there_ends_the_server(start: Start) -> None:
    server = start("xgboost", {"xgboost-model": b""}, wait=False, SAGEMAKER_PROGRAM="absent.py")
    assert server.process.wait(PATIENCE) == 1
    assert "absent.py is not in" in server.log.read_text()


def test_calls_in_hand_are_answered_before_the_server_ends(start: Start) -> None:
    server = start("sklearn", {"code/inference.py": SLEEPER})
    answer: list[bytes] = []
    call = threading.Thread(target=lambda: answer.append(server.call(b"3", "text/csv").body))
    call.start()
    wait_until(lambda: "asleep" in server.log.read_text())
    server.process.terminate()
    call.join()
    assert (answer, server.process.wait(PATIENCE)) == ([b"slept"], 0)


def test_server_that_is_still_loading_ends_at_once(start: Start) -> None:
    slow = "import time\ndef model_fn(model_dir):\n    print('loading', flush=True)\n    time.sleep(600)\n"
    server = start("sklearn", {"code/inference.py": slow}, wait=False)
    wait_until(lambda: "loading" in server.log.read_text())
    server.process.terminate()
    server.process.wait(PATIENCE)


def test_script_says_how_batches_are_sent_and_large_bodies_are_refused(start: Start) -> None:
    said = {"MaxPayloadInMB": 1, "BatchStrategy": "SINGLE_RECORD"}
    script = f"{ECHO}\ndef execution_parameters_fn():\n    return {said}\n"
    server = start("sklearn", {"code/inference.py": script}, SAGEMAKER_MAX_PAYLOAD_IN_MB="1")
    assert json.loads(server.call(path="/execution-parameters").body) == said
    assert [server.call(b"x" * size, "text/plain").status for size in (1 << 20, (1 << 20) + 1)] == [200, 413]


def test_model_that_takes_longer_to_load_than_allowed_ends_the_server(start: Start) -> None:
    script = "import time\n\ndef model_fn(model_dir):\n    time.sleep(3600)\n"
    server = start("sklearn", {"code/inference.py": script}, wait=False, SAGEMAKER_STARTUP_TIMEOUT="0.5")
    assert server.process.wait(PATIENCE) != 0
    assert "not loaded within 0.5 seconds" in server.log.read_text()

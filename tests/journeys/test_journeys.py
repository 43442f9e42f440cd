"""Unmodified clients drive real jobs; nothing but `clary env` lies between them and the server.

The SDKs sleep most of the time, so all scripts that were selected run at once, a few at a time, against one server;
each test then judges its own script.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.journeys.clients import Forks, Outcome, alone
from tests.servers import REPOSITORY, Clary

from clary.runtime import java

SCRIPTS = Path(__file__).parent / "scripts"
DEMO = REPOSITORY / "src/clary/cli/demo"
JOURNEYS = {
    # First those that sleep longest.
    "v3 ModelBuilder": ("sdk-v3", SCRIPTS / "v3_model_builder.py"),
    "v3 remote functions": ("sdk-v3", SCRIPTS / "v3_remote.py"),
    "v2 remote function": ("sdk-v2", SCRIPTS / "v2_remote.py"),
    "v3 torchrun and MPI on two instances": ("sdk-v3", SCRIPTS / "v3_distributed.py"),
    "v2 torchrun and MPI on two instances": ("sdk-v2", SCRIPTS / "v2_distributed.py"),
    "v2 async and serverless": ("sdk-v2", SCRIPTS / "v2_async_serverless.py"),
    "v3 async and serverless": ("sdk-v3", SCRIPTS / "v3_async_serverless.py"),
    "v2 capture and stream": ("sdk-v2", SCRIPTS / "v2_capture_and_stream.py"),
    "v2 session": ("sdk-v2", SCRIPTS / "v2_sessions.py"),
    "v2 scikit-learn script": ("sdk-v2", SCRIPTS / "v2_sklearn_script.py"),
    "v2 XGBoost script": ("sdk-v2", SCRIPTS / "v2_xgboost_script.py"),
    "v2 XGBoost built-in": ("sdk-v2", SCRIPTS / "v2_xgboost_builtin.py"),
    "v2 compile and deploy": ("sdk-v2", SCRIPTS / "v2_compile.py"),
    "v2 pipeline and multi-model": ("sdk-v2", SCRIPTS / "v2_several_models.py"),
    "v2 input modes": ("sdk-v2", SCRIPTS / "v2_input_modes.py"),
    "v2 spot and warm pool": ("sdk-v2", SCRIPTS / "v2_spot.py"),
    "v2 processing": ("sdk-v2", SCRIPTS / "v2_processing.py"),
    "v2 batch transform": ("sdk-v2", SCRIPTS / "v2_transform.py"),
    "v2 PySpark on two instances": ("sdk-v2", SCRIPTS / "v2_pyspark.py"),
    "v3 session": ("sdk-v3", SCRIPTS / "v3_sessions.py"),
    "v3 scikit-learn script": ("sdk-v3", SCRIPTS / "v3_sklearn_script.py"),
    "v3 XGBoost script": ("sdk-v3", SCRIPTS / "v3_xgboost_script.py"),
    "v3 XGBoost built-in (demo)": ("sdk-v3", DEMO / "through_sdk.py"),
    "v3 processing": ("sdk-v3", SCRIPTS / "v3_processing.py"),
    "v3 batch transform": ("sdk-v3", SCRIPTS / "v3_transform.py"),
    "boto3 jobs": ("sdk-v2", SCRIPTS / "boto3_jobs.py"),
    "boto3 XGBoost built-in (demo)": ("sdk-v2", DEMO / "through_boto3.py"),
    "AWS CLI": ("awscli", SCRIPTS / "aws_cli.py"),
}
IMPORTED = {
    "sdk-v2": ("sagemaker", "sagemaker.sklearn", "sagemaker.xgboost", "sagemaker.pytorch", "sklearn.datasets"),
    "sdk-v3": ("sagemaker.core.resources", "sagemaker.core.processing", "sagemaker.train", "sagemaker.serve"),
}
"""What scripts of a client find imported already."""
AT_ONCE = 6
SECONDS = 900
"""Longest for all of them together; each is mostly asleep."""

pytestmark = pytest.mark.timeout(SECONDS)


@pytest.fixture(scope="session")
def outcomes(
    request: pytest.FixtureRequest,
    clary_server: Clary,
    client_environment: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Mapping[str, Future[Outcome]]]:
    """The selected journeys, all begun; ask for the result of one."""
    selected = {
        getattr(item, "callspec", None) and item.callspec.params.get("journey") for item in request.session.items
    }
    wanted = {name: JOURNEYS[name] for name in JOURNEYS if name in selected}
    interrupt = f"{sys.executable} -m clary.cli interrupt --home {clary_server.home}"
    environ = clary_server.client_environ() | {"CLARY_INTERRUPT": interrupt}
    python = {client: client_environment(client) / "bin" / "python" for client, _ in wanted.values()}
    with contextlib.ExitStack() as stack:
        forks = {
            client: stack.enter_context(Forks(python[client], modules, environ, tmp_path_factory.mktemp(client)))
            for client, modules in IMPORTED.items()
            if client in python
        }

        def run(client: str, script: Path) -> Outcome:
            if client in forks:
                return forks[client].run(script, SECONDS)
            return alone(python[client], script, environ, SECONDS)

        pool = stack.enter_context(ThreadPoolExecutor(AT_ONCE))
        yield {name: pool.submit(run, *journey) for name, journey in wanted.items()}


NO_JAVA = pytest.mark.skipif(java.find() is None, reason="no Java that Spark runs on")


@pytest.mark.parametrize(
    "journey", [pytest.param(name, marks=NO_JAVA) if "PySpark" in name else name for name in JOURNEYS]
)
def test_journey(journey: str, outcomes: Mapping[str, Future[Outcome]]) -> None:
    outcome = outcomes[journey].result()
    assert outcome.code == 0, f"exit code {outcome.code}:\n{outcome.output[-6000:]}"

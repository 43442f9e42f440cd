"""Ray Serve's application: rows of CSV in, the scores as JSON out. `rayserve_app.py PORT`."""

import signal
import sys

import ray
import scoring
from ray import serve
from starlette.requests import Request


@serve.deployment(ray_actor_options={"num_cpus": 1})
class Model:
    def __init__(self) -> None:
        self.score = scoring.load()

    async def __call__(self, request: Request) -> list[float]:
        return self.score((await request.body()).decode()).tolist()


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Model.bind(), route_prefix="/predict")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()

"""The data-log of an asynchronous endpoint: one line for each request that ended, beside the log of its instance.

Stream `<variant>/<instance>/data-log`; requests that no instance saw are in `data-log`. AWS names the stream, the
words are ours.
"""

from clary.capabilities.endpoints.asynchronous.ticket import Request
from clary.capabilities.endpoints.watch import say
from clary.capabilities.model_containers.spec import instance_id
from clary.companions.logs import LogStore
from clary.companions.sns import stamp


class Journal:
    def __init__(self, logs: LogStore) -> None:
        self._logs = logs

    def ended(self, request: Request, upload: float) -> None:
        """`upload`: seconds that it took to make the answer an object."""
        assert request.answer
        ticket, answer = request.ticket, request.answer
        where = [answer.variant, instance_id(answer.workload)] if answer.workload else []
        group = f"/aws/sagemaker/Endpoints/{ticket.endpoint}"
        path = self._logs.stream(ticket.account, ticket.region, group, "/".join([*where, "data-log"]))
        say(path, answer.at, line(request, upload))


def line(request: Request, upload: float) -> str:
    """What the log says of a request. Pure."""
    assert request.answer
    answer = request.answer
    head = f"{stamp(answer.at)}:[sagemaker logs] [{request.ticket.inference_id}]"
    if not answer.ok:
        return f"{head} Inference request failed. {answer.reason} Failure location: {request.ticket.failure}"
    times = {
        "ModelLatency": answer.model,
        "RequestDownloadLatency": answer.download,
        "ResponseUploadLatency": upload,
        "TimeInBacklog": max(0.0, answer.at - answer.model - answer.download - request.received),
        "TotalProcessingTime": answer.at - request.received,
    }
    told = ", ".join(f"{name}: {seconds * 1e6:.0f} us" for name, seconds in times.items())
    return f"{head} Inference request succeeded. {told}. Output location: {request.ticket.output}"

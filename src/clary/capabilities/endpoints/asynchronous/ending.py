"""How requests fail, in AWS's words, and when one is asked again. Pure.

A model that has answered, whatever its status, is not asked again. A connection that broke may have been the model's
doing or the instance's end: three times, then the request has failed.
"""

from clary.capabilities.endpoints.asynchronous.ticket import Request
from clary.serving.reply import Broken, HttpError, TimedOut, TooLarge, Unreachable

ATTEMPTS = 3
"""Calls of a model for a request during which the instance, or the connection to it, ended."""
UPLOAD_SECONDS = 5.0
LONGEST_PAUSE = 60.0
DELETED = "ClientError: The endpoint was deleted before the request was processed."
EXPIRED = "ClientError: The request expired: it was longer in the queue than its RequestTTLSeconds."


def again(request: Request, error: HttpError) -> float | None:
    """Seconds until a call that brought no answer is made again; `None`: never."""
    if isinstance(error, Unreachable):
        return 0.5
    if isinstance(error, Broken) and request.attempts + 1 < ATTEMPTS:
        return 1.0
    return None


def attempts(request: Request, error: HttpError) -> int:
    """How many calls may have reached a model and brought nothing."""
    return request.attempts + (0 if isinstance(error, Unreachable) else 1)


def no_answer(request: Request, container: str, error: HttpError) -> tuple[str, str]:
    """The text of the failure object, and the notification's reason."""
    if isinstance(error, TimedOut):
        told = f"Your invocation timed out while waiting for a response from container {container}"
    elif isinstance(error, TooLarge):
        told = f"The response from container {container} is too large: {error}"
    else:
        told = f"The connection to container {container} was closed {request.attempts + 1} times without a response"
    return f'Received server error (0) from {container} with message "{told}".', f"ClientError: {told}."


def model_error(container: str, status: int, body: str, place: str) -> tuple[str, str]:
    """For an answer that is no success."""
    side = "client" if 400 <= status < 500 else "server"
    told = f"Received {side} error ({status}) from {container}"
    reason = f"ClientError: {told}. See the SageMaker Endpoint logs in your account for more information."
    return f'{told} with message "{body}". See {place} for more information.', reason


def no_input(why: str) -> tuple[str, str]:
    told = f"Failed to download the request payload: {why}"
    return told, f"ClientError: {told}"


def no_output(location: str, why: str) -> tuple[str, str]:
    told = f"Failed to upload the response to {location}: {why}"
    return told, f"ClientError: {told}"


def pause(attempts: int) -> float:
    """Seconds until an upload is tried again."""
    return float(min(LONGEST_PAUSE, UPLOAD_SECONDS * 2**attempts))

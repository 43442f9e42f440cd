"""The operations of CloudWatch Logs."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, NoReturn

from clary.companions import tokens
from clary.companions.logs.files import Extent, extent
from clary.companions.logs.patterns import compile_pattern
from clary.companions.logs.putting import accept
from clary.companions.logs.reading import FOREVER, PAGE_EVENTS, Key, Span, bad_token, page, search
from clary.companions.logs.store import Group, LogStore, Stream, Taken
from clary.wire.context import Context
from clary.wire.errors import AwsError
from clary.wire.operations import Request, Response, operation

RETENTIONS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)


@operation("CreateLogGroup", "logs")
def create_log_group(ctx: Context, request: Request) -> None:
    settings: dict[str, Any] = {
        member: request[member] for member in ("kmsKeyId", "logGroupClass") if member in request
    }
    try:
        ctx.need(LogStore).create_group(
            ctx.account, ctx.region, request["logGroupName"], request.get("tags", {}), settings
        )
    except Taken:
        _exists("group")


@operation("CreateLogStream", "logs")
def create_log_stream(ctx: Context, request: Request) -> None:
    name = request["logStreamName"]
    if "\0" in name:
        raise _invalid("Log stream names hold no NUL.")
    try:
        ctx.need(LogStore).create_stream(_group(ctx, request), name)
    except Taken:
        _exists("stream")


@operation("DeleteLogGroup", "logs")
def delete_log_group(ctx: Context, request: Request) -> None:
    ctx.need(LogStore).delete_group(_group(ctx, request))


@operation("DeleteLogStream", "logs")
def delete_log_stream(ctx: Context, request: Request) -> None:
    ctx.need(LogStore).delete_stream(_stream(ctx, _group(ctx, request), request["logStreamName"]))


@operation("DescribeLogGroups", "logs")
def describe_log_groups(ctx: Context, request: Request) -> Response:
    prefix, pattern = request.get("logGroupNamePrefix", ""), request.get("logGroupNamePattern", "").lower()
    if prefix and pattern:
        raise _invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
    store, listing = ctx.need(LogStore), f"groups {prefix} {pattern}"
    (after,) = _after(listing, request.get("nextToken"), "")
    found = store.groups(ctx.account, ctx.region, prefix, after)
    if names := [_name(ctx, identifier) for identifier in request.get("logGroupIdentifiers", ())]:
        found = (group for group in found if group.name in names)
    matching = (group for group in found if pattern in group.name.lower())
    shown, token = _page(matching, listing, request.get("limit", 50), lambda group: (group.name,))
    return {"logGroups": [_show_group(ctx, store, group) for group in shown]} | token


@operation("DescribeLogStreams", "logs")
def describe_log_streams(ctx: Context, request: Request) -> Response:
    prefix, by_time = request.get("logStreamNamePrefix", ""), request.get("orderBy") == "LastEventTime"
    if prefix and by_time:
        raise _invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
    group, descending = _group(ctx, request), request.get("descending", False)
    listing = f"streams {group.id} {prefix} {by_time} {descending}"
    streams = (_by_time if by_time else _by_name)(ctx, group, prefix, descending, listing, request.get("nextToken"))
    shown, token = _page(
        streams, listing, request.get("limit", 50), lambda pair: _time_key(pair) if by_time else (pair[0].name,)
    )
    return {"logStreams": [_show_stream(ctx, group, stream, known) for stream, known in shown]} | token


def _by_name(
    ctx: Context, group: Group, prefix: str, descending: bool, listing: str, token: str | None
) -> Iterator[tuple[Stream, Extent]]:
    (after,) = _after(listing, token, "")
    walk = ctx.need(LogStore).streams_backwards if descending else ctx.need(LogStore).streams
    return ((stream, extent(stream.path)) for stream in walk(group, prefix, after))


def _by_time(
    ctx: Context, group: Group, prefix: str, descending: bool, listing: str, token: str | None
) -> Iterator[tuple[Stream, Extent]]:
    """Streams without events count as oldest."""
    after = tuple(_after(listing, token, 0, "")) if token else None
    pairs = [(stream, extent(stream.path)) for stream in ctx.need(LogStore).streams(group, prefix)]
    pairs.sort(key=_time_key, reverse=descending)
    return (
        pair for pair in pairs if after is None or (_time_key(pair) < after if descending else _time_key(pair) > after)
    )


def _time_key(pair: tuple[Stream, Extent]) -> tuple[int, str]:
    return (pair[1].last or 0, pair[0].name)


@operation("PutLogEvents", "logs")
def put_log_events(ctx: Context, request: Request) -> Response:
    group = _group(ctx, request)
    stream = _stream(ctx, group, request["logStreamName"])
    events = [(event["timestamp"], event["message"]) for event in request["logEvents"]]
    accepted, rejected = accept(events, group.oldest())
    if accepted:
        ctx.need(LogStore).append(stream, accepted)
    # Tokens of PutLogEvents are no longer needed, but older SDKs expect one back.
    answer: Response = {"nextSequenceToken": f"{extent(stream.path).size:056d}"}
    return answer | ({"rejectedLogEventsInfo": rejected} if rejected else {})


@operation("GetLogEvents", "logs")
def get_log_events(ctx: Context, request: Request) -> Response:
    group = _group(ctx, request)
    stream = _stream(ctx, group, request["logStreamName"])
    limit, from_head = request.get("limit", PAGE_EVENTS), request.get("startFromHead", False)
    events, after, before = page(stream, _span(group, request), limit, request.get("nextToken"), from_head)
    return {
        # The file keeps one time per event: what a shim writes is ingested as it happens.
        "events": [
            {"timestamp": event.timestamp, "message": event.message, "ingestionTime": event.timestamp}
            for event in events
        ],
        "nextForwardToken": after,
        "nextBackwardToken": before,
    }


@operation("FilterLogEvents", "logs")
def filter_log_events(ctx: Context, request: Request) -> Response:
    group = _group(ctx, request)
    names, prefix = request.get("logStreamNames"), request.get("logStreamNamePrefix", "")
    if names and prefix:
        raise _invalid("LogStreamNames and LogStreamNamePrefix are mutually exclusive parameters.")
    streams = [_stream(ctx, group, name) for name in names or ()] or ctx.need(LogStore).streams(group, prefix)
    matches = compile_pattern(request.get("filterPattern", ""))
    listing, token = f"events {group.id}", request.get("nextToken")
    after = Key(*_after(listing, token, 0, "", 0)) if token else None
    found = search(streams, _span(group, request), matches, request.get("limit", PAGE_EVENTS), after)
    answer: Response = {
        "events": [
            {
                "logStreamName": stream.name,
                "timestamp": event.timestamp,
                "message": event.message,
                "ingestionTime": event.timestamp,
                "eventId": f"{event.timestamp:020d}{int(stream.id[:10], 16):016d}{event.start:020d}",
            }
            for stream, event in found.events
        ],
        "searchedLogStreams": [],
    }
    return answer | ({"nextToken": tokens.write(listing, *found.last)} if found.last else {})


@operation("PutRetentionPolicy", "logs")
def put_retention_policy(ctx: Context, request: Request) -> None:
    days = request["retentionInDays"]
    if days not in RETENTIONS:
        raise _invalid(f"Invalid retentionInDays value: {days}. Must be one of {list(RETENTIONS)}")
    ctx.need(LogStore).change_group(_group(ctx, request), retention=days)


@operation("DeleteRetentionPolicy", "logs")
def delete_retention_policy(ctx: Context, request: Request) -> None:
    ctx.need(LogStore).change_group(_group(ctx, request), retention=None)


def _tag(ctx: Context, request: Request) -> None:
    group = _group(ctx, request)
    ctx.need(LogStore).change_group(group, tags=group.tags | request["tags"])


def _untag(ctx: Context, request: Request) -> None:
    group = _group(ctx, request)
    gone = request.get("tagKeys") or request.get("tags") or ()
    ctx.need(LogStore).change_group(group, tags={key: value for key, value in group.tags.items() if key not in gone})


def _tags(ctx: Context, request: Request) -> Response:
    return {"tags": _group(ctx, request).tags}


# Each twice: by ARN, and by name as older clients ask.
TAGGING = tuple(
    operation(name, "logs")(handler)
    for handler, names in (
        (_tag, ("TagResource", "TagLogGroup")),
        (_untag, ("UntagResource", "UntagLogGroup")),
        (_tags, ("ListTagsForResource", "ListTagsLogGroup")),
    )
    for name in names
)


def _group(ctx: Context, request: Request) -> Group:
    """The group a request names, by name or by ARN."""
    given = [request[member] for member in ("logGroupName", "logGroupIdentifier", "resourceArn") if request.get(member)]
    if len(given) != 1:
        raise _invalid("Exactly one of logGroupName and logGroupIdentifier must be given.")
    name = _name(ctx, given[0])
    return ("\0" not in name and ctx.need(LogStore).find_group(ctx.account, ctx.region, name)) or _missing("group")


def _name(ctx: Context, identifier: str) -> str:
    return identifier.removeprefix(_arn(ctx, "")).removesuffix(":*")


def _stream(ctx: Context, group: Group, name: str) -> Stream:
    # PostgreSQL takes no NUL, not even to say that it is not there.
    return ("\0" not in name and ctx.need(LogStore).find_stream(group, name)) or _missing("stream")


def _span(group: Group, request: Request) -> Span:
    return Span(max(request.get("startTime", 0), group.oldest()), request.get("endTime", FOREVER))


def _arn(ctx: Context, name: str) -> str:
    return f"arn:aws:logs:{ctx.region}:{ctx.account}:log-group:{name}"


def _show_group(ctx: Context, store: LogStore, group: Group) -> Response:
    shown: Response = {
        "logGroupName": group.name,
        "creationTime": group.created,
        "metricFilterCount": 0,
        "arn": _arn(ctx, group.name) + ":*",
        "logGroupArn": _arn(ctx, group.name),
        "storedBytes": store.stored_bytes(group),
        "logGroupClass": "STANDARD",
    }
    return shown | group.settings | ({"retentionInDays": group.retention} if group.retention else {})


def _show_stream(ctx: Context, group: Group, stream: Stream, known: Extent) -> Response:
    shown: Response = {
        "logStreamName": stream.name,
        "creationTime": stream.created,
        "arn": f"{_arn(ctx, group.name)}:log-stream:{stream.name}",
        "storedBytes": known.size,
        "uploadSequenceToken": f"{known.size:056d}",
    }
    if known.first is None:
        return shown
    return shown | {
        "firstEventTimestamp": known.first,
        "lastEventTimestamp": known.last,
        "lastIngestionTime": known.last,
    }


def _after(listing: str, token: str | None, *default: Any) -> list[Any]:
    """The key in a token, of the types of `default`, which stands for no token."""
    if not token:
        return list(default)
    try:
        return tokens.read(listing, token, *(type(value) for value in default))
    except tokens.BadToken as error:
        raise bad_token() from error


def _page(items: Iterator[Any], listing: str, limit: int, key: Any) -> tuple[list[Any], dict[str, str]]:
    """A token only when more is really there: SDK v2 asks for ever while it sees one."""
    shown = list(islice(items, limit + 1))
    if len(shown) <= limit:
        return shown, {}
    return shown[:limit], {"nextToken": tokens.write(listing, *key(shown[limit - 1]))}


def _missing(what: str) -> NoReturn:
    raise AwsError(f"The specified log {what} does not exist.", code="ResourceNotFoundException", status=400)


def _exists(what: str) -> NoReturn:
    raise AwsError(f"The specified log {what} already exists", code="ResourceAlreadyExistsException", status=400)


def _invalid(message: str) -> AwsError:
    return AwsError(message, code="InvalidParameterException", status=400)

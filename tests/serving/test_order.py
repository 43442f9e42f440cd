"""Which instance is asked first."""

import collections
from pathlib import Path

from clary.serving.http import Pool
from clary.serving.order import LEAST_BUSY, RANDOM, Instances, PrefixAware


def instances(*outstanding: int) -> Instances:
    pools = [Pool(Path(f"/{place}/serve.sock"), 1) for place in range(len(outstanding))]
    for pool, calls in zip(pools, outstanding, strict=True):
        pool.outstanding = calls
    return [[pool] for pool in pools]


def order(found: Instances) -> list[str]:
    return [pools[0].socket.parent.name for pools in found]


def test_the_least_busy_comes_first() -> None:
    assert {tuple(order(LEAST_BUSY.sort(instances(2, 0, 1), b"", b""))) for _ in range(10)} == {("1", "2", "0")}
    firsts = collections.Counter(order(LEAST_BUSY.sort(instances(0, 0), b"", b""))[0] for _ in range(400))
    assert min(firsts["0"], firsts["1"]) > 100


def test_chance_does_not_look_at_what_they_have_to_do() -> None:
    firsts = collections.Counter(order(RANDOM.sort(instances(9, 0, 0), b"", b""))[0] for _ in range(600))
    assert min(firsts[name] for name in "012") > 100


def test_beginnings_stay_with_their_instance_until_it_is_full() -> None:
    aware = PrefixAware(length=4, most=2)
    first = {body: order(aware.sort(instances(0, 0, 0), body, b""))[0] for body in map(b"%03d-x".__mod__, range(300))}
    assert min(collections.Counter(first.values()).values()) > 60
    for body, name in list(first.items())[:20]:
        assert order(aware.sort(instances(1, 1, 1), body + b"-and-more", b""))[0] == name
        full = [0, 0, 0]
        full[int(name)] = 2
        assert order(aware.sort(instances(*full), body, b""))[-1] == name
    hinted = {order(aware.sort(instances(0, 0, 0), b"same", b"%d" % number))[0] for number in range(50)}
    assert hinted == {"0", "1", "2"}


def test_few_beginnings_move_when_an_instance_comes() -> None:
    aware, bodies = PrefixAware(length=8, most=2), [b"%d" % number for number in range(300)]
    two, three = instances(0, 0), instances(0, 0, 0)
    before = [order(aware.sort(two, body, b""))[0] for body in bodies]
    after = [order(aware.sort(three, body, b""))[0] for body in bodies]
    moved = [new for old, new in zip(before, after, strict=True) if old != new]
    assert set(moved) == {"2"}
    assert 50 < len(moved) < 150

"""The network card that an instance on a node is told of."""

import json

from clary.runtime.cluster.cards import named

CONFIG = "/opt/ml/input/config/resourceconfig.json"
PLANNED = {"current_host": "algo-1", "network_interface_name": "eth7"}
FILES = {CONFIG: json.dumps(PLANNED).encode(), "/opt/ml/input/config/hyperparameters.json": b"{}"}


def test_the_nodes_own_card_is_named() -> None:
    expected = FILES | {CONFIG: json.dumps(PLANNED | {"network_interface_name": "lo"}).encode()}
    assert named(FILES, "127.0.0.1") == expected


def test_without_an_address_of_this_node_the_plan_stays() -> None:
    assert named(FILES, "") == named(FILES, "198.51.100.1") == FILES

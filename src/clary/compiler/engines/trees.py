"""What Treelite read of a tree model, as the arrays that `forest.c` walks. Pure numpy; `forest.py` compiles and calls.

Treelite tests `number < threshold` or `number <= threshold` for going left; here a row goes right where its number
reaches an edge, which is the threshold or the next number above it.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from clary.compiler.failures import Unsuitable

LANES = 16
RIGHT, CATEGORY = 0x80000000, 0x40000000
LESS, LESS_OR_EQUAL = 2, 3
"""Treelite's numbers of its comparisons."""
LARGEST = 100_000_000
"""Nodes: beyond that the arrays are too large for one artefact."""
LINKS = {
    "identity": "IDENTITY",
    "identity_multiclass": "IDENTITY",
    "sigmoid": "SIGMOID",
    "multiclass_ova": "SIGMOID",
    "softmax": "SOFTMAX",
    "exponential": "EXPONENTIAL",
    "logarithm_one_plus_exp": "LOG1P_EXPONENTIAL",
    "hinge": "HINGE",
}


Field = Callable[[str], Any]
"""Reads an array of a tree."""


class Trees(NamedTuple):
    """Arrays as `forest.c` describes them, and what it is compiled with."""

    arrays: dict[str, Any]
    features: int
    outputs: int
    trees: int
    link: str
    slope: float
    is_vector: bool
    has_categories: bool
    input: str
    value: str


def flatten(model: Any, *, single: bool, value: str) -> Trees:
    """Of a Treelite model. `single`: rows are of floats, else of doubles; `value`: the type of leaves and answers.

    Raises `Unsuitable` for what the kernel has no means for.
    """
    header = model.get_header_accessor()
    link = str(header.get_field("postprocessor"))
    if link not in LINKS:
        raise Unsuitable(f"operators are not implemented: {{'{link}'}}")
    targets, classes = int(header.get_field("num_target")[0]), int(max(header.get_field("num_class")))
    outputs = targets * classes
    is_vector = int(np.prod(header.get_field("leaf_vector_shape"))) > 1
    layer = _Layer(np.float32 if single else np.float64, np.dtype(value), outputs if is_vector else 1)
    for accessor in _accessors(model):
        layer.add(accessor)
    owners = _owners(header, classes, model.num_tree)
    return Trees(
        arrays=_ordered(layer, owners) | _scores(header, owners, outputs, is_vector),
        features=int(model.num_feature),
        outputs=outputs,
        trees=_rounded(model.num_tree),
        link=LINKS[link],
        slope=float(header.get_field("sigmoid_alpha")[0]),
        is_vector=is_vector,
        has_categories=bool(layer.sets),
        input="float" if single else "double",
        value="float" if value == "float32" else "double",
    )


def _accessors(model: Any) -> Iterator[Any]:
    return (model.get_tree_accessor(number) for number in range(model.num_tree))


def _rounded(trees: int) -> int:
    return -(-trees // LANES) * LANES


def _owners(header: Any, classes: int, trees: int) -> Any:
    """The score that each tree adds to."""
    target = np.maximum(np.asarray(header.get_field("target_id")), 0)
    group = np.maximum(np.asarray(header.get_field("class_id")), 0)
    return (target * classes + group).astype(np.int32)[:trees]


def _scores(header: Any, owners: Any, outputs: int, is_vector: bool) -> dict[str, Any]:
    base = np.zeros(outputs)
    given = np.asarray(header.get_field("base_scores"), dtype=float)
    base[: len(given)] = given[:outputs]
    share = np.ones(outputs)
    if int(header.get_field("average_tree_output")[0]):
        counts = np.full(outputs, len(owners)) if is_vector else np.bincount(owners, minlength=outputs)
        share = 1.0 / np.maximum(counts, 1)
    return {"base": base, "share": share}


def _ordered(layer: "_Layer", owners: Any) -> dict[str, Any]:
    """Shallow trees first, so that those walked side by side end alike; filled up with trees that add nothing."""
    spare = _rounded(len(layer.roots)) - len(layer.roots)
    nothing = layer.leaf()
    roots = np.array([*layer.roots, *[nothing] * spare], np.int32)
    depths = np.array([*layer.depths, *[0] * spare], np.int32)
    order = np.argsort(depths, kind="stable")
    return {
        "nodes": np.concatenate(layer.nodes),
        "slots": np.concatenate(layer.slots).astype(np.uint32),
        "values": np.concatenate(layer.values),
        "roots": roots[order],
        "depths": depths[order].reshape(-1, LANES).max(axis=1),
        "outputs": np.concatenate([owners, np.zeros(spare, np.int32)])[order],
        "sets": _sets(layer.sets),
    }


def _sets(found: list[Any]) -> Any:
    """Offset and number of words of each, then all words."""
    at, table = 2 * len(found), []
    for words in found:
        table += [at, len(words)]
        at += len(words)
    return np.concatenate([np.array(table, np.uint32), *found]) if found else np.zeros(1, np.uint32)


class _Layer:
    """Trees one after the other in arrays that all share. The children of a node stand side by side, the one to which
    a number below the edge goes first."""

    def __init__(self, number: Any, value: Any, width: int) -> None:
        self._number, self._width = number, width
        self._node = np.dtype([("edge", number), ("feature", np.uint32), ("next", np.int32)])
        self._value = value
        self._count = self._held = 0
        self.nodes: list[Any] = []
        self.slots: list[Any] = []
        self.values: list[Any] = []
        self.roots: list[int] = []
        self.depths: list[int] = []
        self.sets: list[Any] = []

    def add(self, tree: Any) -> None:
        field = partial(_field, tree)
        left, right = field("cleft"), field("cright")
        if self._count + len(left) > LARGEST:
            raise Unsuitable(f"the model has more than {LARGEST} nodes")
        swapped = self._swapped(field)
        first, second = np.where(swapped, right, left), np.where(swapped, left, right)
        place, depth = _places(first, second)
        is_leaf = left < 0
        nodes = np.zeros(len(left), self._node)
        at = place[np.arange(len(left))]
        nodes["edge"][at] = np.where(is_leaf, np.nan, self._edges(field))
        goes_right = (field("default_left").astype(bool) == swapped) & ~is_leaf
        flags = np.where(goes_right, RIGHT, 0) | np.where(self._categorical(field), CATEGORY, 0)
        nodes["feature"][at] = np.where(is_leaf, 0, field("split_index") | flags).astype(np.uint32)
        following = np.where(is_leaf, place, place[np.where(is_leaf, 0, first)])
        nodes["next"][at] = following + self._count
        slots = np.zeros(len(left), np.int64)
        values = self._leaves(field, is_leaf)
        slots[at[is_leaf]] = self._held + np.arange(int(is_leaf.sum())) * self._width
        self._put(nodes, slots, values, depth)

    def leaf(self) -> int:
        """A tree of nothing but a leaf that adds nothing; where it is."""
        node = np.array([(np.nan, 0, self._count)], self._node)
        self._put(node, np.array([self._held]), np.zeros(self._width, self._value), 0)
        self.roots.pop(), self.depths.pop()
        return self._count - 1

    def _put(self, nodes: Any, slots: Any, values: Any, depth: int) -> None:
        self.roots.append(self._count)
        self.depths.append(depth)
        self.nodes.append(nodes)
        self.slots.append(slots)
        self.values.append(values)
        self._count += len(nodes)
        self._held += len(values)

    def _categorical(self, field: Field) -> Any:
        # Treelite's node types: a leaf, a numerical test, a categorical test.
        return field("node_type") == 2

    def _swapped(self, field: Field) -> Any:
        """Members of a category's set go to the second child: where they are to go left, that one is the left."""
        return self._categorical(field) & ~field("category_list_right_child").astype(bool)

    def _edges(self, field: Field) -> Any:
        threshold, compared = field("threshold").astype(float), field("cmp")
        categorical, is_leaf = self._categorical(field), field("cleft") < 0
        if not np.isin(compared[~is_leaf & ~categorical], (LESS, LESS_OR_EQUAL)).all():
            raise Unsuitable("operators are not implemented: {'comparison of a split'}")
        edges = _edge(threshold, self._number, compared == LESS_OR_EQUAL)
        for node in np.flatnonzero(categorical):
            edges[node] = len(self.sets)
            self.sets.append(_words(field, node))
        return edges

    def _leaves(self, field: Field, is_leaf: Any) -> Any:
        if self._width == 1:
            return field("leaf_value")[is_leaf].astype(self._value)
        begin, vector = field("leaf_vector_begin")[is_leaf], field("leaf_vector")
        return vector[(begin[:, None] + np.arange(self._width)).astype(np.int64)].reshape(-1).astype(self._value)


def _field(tree: Any, name: str) -> Any:
    return np.array(tree.get_field(name))


def _edge(threshold: Any, number: Any, inclusive: Any) -> Any:
    """The least number of the rows' type that goes right."""
    edge = threshold.astype(number)
    above = np.nextafter(edge, number(np.inf))
    # Rounding may have gone either way: x < t is x < edge with the least float that is not below t.
    edge = np.where(edge < threshold, above, edge)
    reached = np.where(edge > threshold, edge, np.nextafter(edge, number(np.inf)))
    return np.where(inclusive, reached, edge).astype(number)


def _places(first: Any, second: Any) -> tuple[Any, int]:
    """Where each node of a tree stands, root first and children side by side; and the longest walk."""
    place = np.zeros(len(first), np.int64)
    level, used, depth = np.array([0]), 1, 0
    while True:
        inner = level[first[level] >= 0]
        if not len(inner):
            return place, depth
        children = np.stack([first[inner], second[inner]], axis=1).reshape(-1)
        place[children] = used + np.arange(len(children))
        level, used, depth = children, used + len(children), depth + 1


def _words(field: Field, node: int) -> Any:
    begin, end = field("category_list_begin")[node], field("category_list_end")[node]
    members = field("category_list")[int(begin) : int(end)]
    words = np.zeros(int(members.max(initial=0)) // 32 + 1, np.uint32)
    np.bitwise_or.at(words, members // 32, (1 << (members % 32)).astype(np.uint32))
    return words

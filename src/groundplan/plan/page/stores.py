"""What the stages of each pattern keep their results in, and who writes and reads it."""

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from groundplan.plan.stage import Plan, Stage

Place = tuple[Literal["online", "offline"], str]
"""A stage: its side and its name."""


class Store(NamedTuple):
    """What outlives a request or a run.

    Args:
        name: what it holds.
        like: the stage whose technology it is held in.
        writers, readers: the stages that fill it and that use it.
        held: what it is held in, where that is not the technology of a stage.
        service: whether it is asked over a network and keeps nothing for us.
    """

    name: str
    like: Place
    writers: tuple[Place, ...] = ()
    readers: tuple[Place, ...] = ()
    held: str = ""
    service: bool = False


def _off(name: str) -> Place:
    return ("offline", name)


def _on(name: str) -> Place:
    return ("online", name)


def _log(*readers: Place) -> Store:
    return Store("prediction log", _on("log"), (_on("log"),), readers)


_MODEL: Final = Store(
    "language model",
    _on("generate"),
    (_off("tune"),),
    (_on("generate"), _off("evaluate")),
    service=True,
)
_STORES: Final = {
    "batch": (
        Store(
            "live build",
            _off("train"),
            (_off("train"),),
            (_off("score"),),
            held="a folder, renamed into place",
        ),
        Store("published scores", _off("publish"), (_off("publish"),), (_on("lookup"),)),
        _log(),
    ),
    "realtime": (
        Store(
            "online state",
            _on("features"),
            (_off("features"), _on("features")),
            (_on("features"),),
        ),
        Store("live build", _off("publish"), (_off("publish"),), (_on("score"), _on("decide"))),
        _MODEL,
        _log(_off("train")),
    ),
    "ranking": (
        Store(
            "both towers",
            _off("train_towers"),
            (_off("train_towers"),),
            (_off("encode_items"), _on("encode")),
            held="a build of two networks",
        ),
        Store("vector index", _off("index"), (_off("index"),), (_on("retrieve"),)),
        Store("candidate lists", _on("retrieve"), (_off("retrieve"),), (_on("retrieve"),)),
        Store(
            "online features",
            _on("features"),
            (_off("features"), _on("features")),
            (_on("features"),),
        ),
        Store("ranker", _off("train_ranker"), (_off("train_ranker"),), (_on("rank"),)),
        _log(_off("train_towers"), _off("train_ranker")),
    ),
    "rag": (
        Store("passage index", _off("index"), (_off("index"),), (_on("retrieve"),)),
        _MODEL,
        _log(),
    ),
}
_INTO: Final = {
    "batch": "rows to score",
    "realtime": "past events",
    "ranking": "catalog, feedback",
    "rag": "documents",
}


def source(plan: Plan) -> str:
    """What the offline lane begins with."""
    stages = _stages(plan)
    if _off("tune") in stages:
        return "corpus, known answers" if _off("evaluate") in stages else "corpus, rows"
    if _off("evaluate") in stages:
        return "known answers"
    learns = plan.pattern == "batch" and _off("train") in stages
    return "past rows, rows to score" if learns else _INTO[plan.pattern]


def stores(plan: Plan) -> list[Store]:
    """The stores of a plan, with those of its stages that use them."""
    return list(_found(plan))


def technology(plan: Plan, store: Store) -> str:
    """What a store is held in."""
    return store.held or _stages(plan)[store.like].served_by


def _found(plan: Plan) -> Iterator[Store]:
    stages = _stages(plan)
    prepared = _off("retrieve") in stages
    for store in _STORES[plan.pattern]:
        if store.like not in stages or (store.name == "candidate lists" and not prepared):
            continue
        live = store.name == "vector index" and prepared  # then the index feeds the lists only
        readers = (_off("retrieve"),) if live else store.readers
        filled = [one for one in store.writers if one in stages]
        if _off("features") in filled:  # what a run computes, no request records
            filled.remove(_on("features"))
        yield store._replace(
            writers=tuple(filled),
            readers=tuple(one for one in readers if one in stages),
        )


def _stages(plan: Plan) -> dict[Place, Stage]:
    return {(stage.side, stage.name): stage for stage in plan.stages}

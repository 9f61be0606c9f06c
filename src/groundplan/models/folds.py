"""Cross-validation: every row is judged by a model that did not see it."""

from collections.abc import Callable, Iterator

import numpy as np
from msgspec import Struct

from groundplan.errors import BuildError, DefinitionError, InputError
from groundplan.models.kinds import Spec
from groundplan.models.scorer import Bools, Floats, Indices
from groundplan.models.split import Parts

Progress = Callable[[int, int], None]


class Folds(Struct, frozen=True):
    """Stratified folds, whole groups together.

    Args:
        folds: parts of the rows, 2 to 100.
        seed: of the drawing.

    Raises:
        DefinitionError: the number of folds is another.
    """

    folds: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuses what leaves nothing to train on."""
        if not isinstance(self.folds, int) or not 2 <= self.folds <= 100:
            raise DefinitionError(
                f"Folds(folds={self.folds!r}): take 2 to 100 parts, such as 5: each is judged by "
                "a model that is trained on the others"
            )

    def assign(self, label: Bools, group: Indices) -> Indices:
        """The fold of each row, int64[n], 0 to `folds` - 1.

        Groups are dealt out like cards, those with equally many positives and rows one after the
        other, so that the folds' sizes and base rates are as even as whole groups allow: with one
        row a group, no two folds differ by more than one row of either class.

        Args:
            label: bool[n].
            group: int64[n], whose rows stay together.

        Raises:
            InputError: the lengths differ.
            BuildError: no row is positive, or there are fewer groups, or groups with a positive,
                than folds.
        """
        label, group = np.asarray(label), np.asarray(group)
        if label.shape != group.shape:
            raise InputError("group", f"{len(group)} groups for {len(label)} labels: one a row")
        if not label.any():
            raise BuildError(
                f"none of {len(label)} rows is positive: a model needs both classes; look at the "
                "label's column, or bring a longer period"
            )
        _, member = np.unique(group, return_inverse=True)
        rows = np.bincount(member)
        positives = np.bincount(member, label).astype(np.int64)
        if min(len(rows), int((positives > 0).sum())) < self.folds:
            raise BuildError(
                f"{len(rows)} keys, {int((positives > 0).sum())} of them with a positive row, "
                f"cannot be dealt out to {self.folds} folds: bring more data, or take fewer folds"
            )
        drawn = np.random.default_rng(self.seed).random(len(rows))
        dealt = np.empty(len(rows), dtype=np.int64)
        dealt[np.lexsort((drawn, rows, positives))] = np.arange(len(rows)) % self.folds
        return dealt[member]

    def parts(self, label: Bools, group: Indices) -> Iterator[Parts]:
        """For each fold, the rows to train on and the rows that it judges."""
        fold = self.assign(label, group)
        for number in range(self.folds):
            yield Parts(np.flatnonzero(fold != number), np.flatnonzero(fold == number))

    def scores(
        self,
        spec: Spec,
        x: Floats,
        label: Bools,
        group: Indices,
        names: tuple[str, ...],
        progress: Progress | None = None,
    ) -> Floats:
        """The score of each row, float64[n], by a model that saw no row of its group.

        Args:
            spec: what to train.
            x: float64[n, F].
            label: bool[n].
            group: int64[n].
            names: of the inputs.
            progress: told the folds done and wanted, after each.
        """
        out = np.empty(len(x))
        for done, (train, test) in enumerate(self.parts(label, group)):
            out[test] = spec.train(x[train], label[train], names).scores(x[test])
            if progress is not None:
                progress(done + 1, self.folds)
        return out


def holdouts(
    times: int, label: Bools, group: Indices, *, parts: int = 5, seed: int = 0
) -> Iterator[Parts]:
    """Repeated splits into a training and a test part, 80/20 with 5 parts; stratified.

    Args:
        times: how many splits, each drawn anew.
        label: bool[n].
        group: int64[n], whose rows stay together.
        parts: of which one tests.
        seed: of the first split; the others follow.
    """
    for at in range(times):
        yield next(Folds(parts, seed + at).parts(label, group))

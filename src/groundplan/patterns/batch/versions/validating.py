"""What a version has to show before it is announced: every check runs, and says what it found."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from groundplan.errors import InputError
from groundplan.models.codes import Reasons
from groundplan.monitoring.distribution import Sketch, chance, moved, psi, show
from groundplan.patterns.batch.archive import digest
from groundplan.patterns.batch.versions import measuring
from groundplan.patterns.batch.versions.candidate import Before, Candidate
from groundplan.patterns.batch.versions.straying import strayed
from groundplan.scores.publication import Publication
from groundplan.scores.version import Check

JUDGED: Final = ("rows", "coverage", "nulls", "ranges", "drift", "churn")
"""The checks that compare with a limit, which a person may overrule; the others find errors."""

FIRST: Final = "the first version: nothing to compare with"

MOVED: Final = 0.1
"""The population stability index from which it is told what moved."""

UNTRAINED: Final = 0.5
"""How far a feature's share of missing values may be above that of the rows that trained the
model: of a first version it is asked whether a source was read at all."""

_MOST: Final = 3
"""Features that are named as the reason of a drift, and keys as examples."""


def check_allowed(names: Sequence[str]) -> None:
    """Refuse to overrule what no person may.

    Raises:
        InputError: one of them is no check, or finds errors.
    """
    for name in names:
        if name not in JUDGED:
            raise InputError(
                "allow",
                f"{name!r} cannot be allowed to fail: of the checks, {', '.join(JUDGED)} compare "
                "with a limit; the others find errors",
            )


class _Found(NamedTuple):
    passed: bool
    says: str
    limit: str


def validate(
    candidate: Candidate,
    before: Before | None,
    limits: Publication,
    reasons: Reasons,
    progress: Callable[[int, int], None],
) -> tuple[Check, ...]:
    """Make all checks, whatever the first of them say.

    Args:
        candidate: the version.
        before: the live one; None before the first.
        limits: what is asked for.
        reasons: which decisions need reasons, and how many.
        progress: told how many checks are made, and of how many.
    """
    made: dict[str, Callable[[], _Found]] = {
        "rows": lambda: _rows(candidate, before, limits),
        "coverage": lambda: _coverage(candidate, limits),
        "keys": lambda: _keys(candidate),
        "scores": lambda: _scores(candidate),
        "nulls": lambda: _nulls(candidate, before, limits),
        "ranges": lambda: _ranges(candidate, before, limits),
        "drift": lambda: _drift(candidate, before, limits),
        "churn": lambda: _churn(candidate, before, limits),
        "reasons": lambda: _reasons(candidate, limits, reasons),
        "sample": lambda: _sample(candidate, limits),
        "checksum": lambda: _checksum(candidate),
    }
    checks = []
    for name, check in made.items():
        checks.append(Check(name, *check()))
        progress(len(checks), len(made))
    return tuple(checks)


def _rows(candidate: Candidate, before: Before | None, limits: Publication) -> _Found:
    rows, limit = candidate.measured.rows, f"within {_share(limits.rows)} of the last version"
    if math.isinf(limits.rows):
        limit = "at least one row"
    if before is None:
        return _Found(rows > 0, f"{rows:,} rows; {FIRST}", "at least one row")
    last = before.version.rows
    change = (rows - last) / max(last, 1)
    return _Found(
        rows > 0 and abs(change) <= limits.rows,
        f"{rows:,} rows, {last:,} in the last version ({change:+.2%})",
        limit,
    )


def _coverage(candidate: Candidate, limits: Publication) -> _Found:
    scored, wanted = candidate.measured.distinct, candidate.run.population
    share = scored / wanted if wanted else 0.0
    return _Found(
        limits.coverage <= share <= 1.0,
        f"{scored:,} of {wanted:,} keys of the population are scored ({share:.4%})",
        f"at least {_share(limits.coverage)}, and no others",
    )


def _keys(candidate: Candidate) -> _Found:
    twice = candidate.measured.rows - candidate.measured.distinct
    says = f"{candidate.measured.distinct:,} different keys"
    if twice:
        says = f"{says} in {candidate.measured.rows:,} rows: {twice:,} are repeated or null"
    return _Found(not twice, says, "every key stands once, none is null")


def _scores(candidate: Candidate) -> _Found:
    found = candidate.measured
    wrong = found.outside + found.unknown
    says = f"{found.outside:,} scores are no probability, {found.unknown:,} decisions unknown"
    if not wrong and found.rows:
        says = f"scores from {found.least:.6g} to {found.greatest:.6g}, mean {found.mean:.6g}"
    return _Found(not wrong, says, "scores between 0 and 1, none missing; known decisions")


def _nulls(candidate: Candidate, before: Before | None, limits: Publication) -> _Found:
    # Nothing was live before, or nobody knows of it: the model expects what it was trained on,
    # though other people, at another time.
    last = before.sketches if before is not None else {}
    known, whose = (last, "the last version") if last else (candidate.trained, "training")
    most = limits.nulls if last else max(limits.nulls, UNTRAINED)
    limit = f"a feature's share of missing values rises by at most {_share(most)}"
    after = candidate.sketches
    if not after:
        return _Found(False, "the parts say nothing of the features: score again", limit)
    if not known:
        blank = sorted(after, key=lambda name: -after[name].share_missing)[:1]
        says = "".join(f"most missing: {_missing(name, after[name])}; " for name in blank)
        return _Found(True, says + (FIRST if before is None else _unknown(before)), limit)
    lost = [name for name in known if name not in after]
    rises = {
        name: after[name].share_missing - known[name].share_missing
        for name in after
        if name in known
    }
    if not rises:
        return _Found(True, f"other features than in {whose}: not compared", limit)
    worst = max(rises, key=lambda name: rises[name])
    over = [name for name in sorted(rises, key=lambda n: -rises[n]) if rises[name] > most]
    named = "; ".join(
        f"{_missing(name, after[name])}, was {known[name].share_missing:.2%} in {whose}"
        for name in over[:_MOST] or [worst]
    )
    if rises[worst] <= 0:
        named = f"no feature has a larger share of missing values than in {whose}"
    more = f" ({len(over)} features rise further than that)" if len(over) > _MOST else ""
    gone = f"; {len(lost)} features of {whose} are not here" if lost else ""
    return _Found(not over, f"{named}{more}{gone}", limit)


def _ranges(candidate: Candidate, before: Before | None, limits: Publication) -> _Found:
    # Training is what the model knows. Were the last version's values known too, a wrong unit
    # that came in with a few rows would pass when all the others follow.
    limit = (
        f"the share of a feature's values far outside of training's rises by at most "
        f"{_share(limits.ranges)}, and some are where training's are"
    )
    if not candidate.sketches:
        return _Found(False, "the parts say nothing of the features: score again", limit)
    if not candidate.trained:
        says = f"the build {candidate.run.build} says nothing of what trained it: not compared"
        return _Found(True, says, limit)
    known = {
        name: candidate.trained[name] for name in candidate.trained if name not in candidate.moments
    }
    found = strayed(
        known,
        before.sketches if before is not None else {},
        candidate.sketches,
        limits.ranges,
        candidate.categories,
    )
    over = [each for each in found if each.excess > 0]
    if over:
        more = f"; {len(over)} features in all" if len(over) > _MOST else ""
        return _Found(False, "; ".join(each.says for each in over[:_MOST]) + more, limit)
    if not found:
        return _Found(True, "no feature has values here and in training: not compared", limit)
    most = max(found, key=lambda each: each.share)
    says = f"{len(found)} features lie where training's do"
    return _Found(True, f"{says} but for {most.says}" if most.share else says, limit)


def _drift(candidate: Candidate, before: Before | None, limits: Publication) -> _Found:
    limit = f"population stability index of the scores at most {limits.drift:g}"
    if before is None:
        far = _moved(candidate.trained, candidate.sketches, MOVED, " since training")
        return _Found(True, FIRST + far, limit)
    if before.scores is None or not before.scores.rows or not candidate.measured.rows:
        return _Found(True, _unknown(before), limit)
    after = candidate.measured.scores
    index = psi(before.scores, after)
    likely = chance(before.scores.rows, after.rows)
    says = f"index {show(index)}"
    if likely > limits.drift:
        limit += f", or {likely:.3f}, which so few rows reach by chance"
    if index >= MOVED:
        says += _why(candidate, before)
    return _Found(index <= max(limits.drift, likely), says, limit)


def _why(candidate: Candidate, before: Before) -> str:
    """What moved: the model, the features, and with them the decisions."""
    told = ""
    if candidate.run.build != before.version.build:
        told = f"; another build scored ({before.version.build} before)"
    told += _moved(before.sketches, candidate.sketches)
    old = before.version.figures.get("decisions", {})
    rows = max(candidate.measured.rows, 1)
    for name, count in zip(candidate.decisions, candidate.measured.decisions, strict=True):
        if name in old:
            told += f"; {name} {old[name]:.2%} before, {count / rows:.2%} now"
    return told


def _moved(
    before: Mapping[str, Sketch], after: Mapping[str, Sketch], least: float = 0.0, since: str = ""
) -> str:
    """The features that moved most, of those whose index is not below the least."""
    features = [each for each in moved(before, after) if each[1] >= least][:_MOST]
    named = ", ".join(f"{name} {index:.3f}" for name, index in features)
    return f"; the features that moved most{since}: {named}" if features else ""


def _churn(candidate: Candidate, before: Before | None, limits: Publication) -> _Found:
    limit = f"at most {_share(limits.keys)} of the keys gone, at most that share new"
    if before is None:
        return _Found(True, FIRST, limit)
    if not before.parts:
        return _Found(True, _unknown(before), limit)
    found = measuring.churn(candidate.database, candidate.parts, before.parts)
    gone = found.gone / max(before.version.rows, 1)
    new = found.new / max(candidate.measured.rows, 1)
    return _Found(
        gone <= limits.keys and new <= limits.keys,
        f"{found.gone:,} keys are gone ({gone:.2%} of the last version), "
        f"{found.new:,} are new ({new:.2%} of this one)",
        limit,
    )


def _reasons(candidate: Candidate, limits: Publication, reasons: Reasons) -> _Found:
    """Present where they are needed: a row without any must have none when it is made again.

    At the level `audit` a row without any fails: it is decided about as nobody can account for.
    """
    found, limit = candidate.measured, f"at most {reasons.top} known reasons where one is needed"
    if not candidate.codes:
        return _Found(found.most == 0, "the plan gives no reasons", "none")
    if found.codes > candidate.codes or found.blank or found.most > reasons.top:
        return _Found(
            False,
            f"up to {found.most} reasons a row, position {found.codes} of {candidate.codes} codes, "
            f"{found.blank:,} rows name none",
            limit,
        )
    needed = [
        at
        for at, name in enumerate(candidate.decisions)
        if reasons.decisions is None or name in reasons.decisions
    ]
    wanting = sum(found.decisions[at] for at in needed)
    bare = sum(found.bare[at] for at in needed)
    says = f"{wanting - bare:,} of {wanting:,} rows that need reasons have them"
    if not bare:
        return _Found(True, says, limit)
    where = f"len(reasons) = 0 AND decision IN ({', '.join(map(str, needed))})"
    keys = measuring.picked(candidate.database, candidate.parts, limits.sample, where)
    wrong = _differing(candidate, keys)
    if wrong:
        says += f"; {len(wrong):,} of {len(keys):,} without have some: {_examples(wrong)}"
    else:
        says += f"; for {len(keys):,} without, looked into, nothing speaks in that direction"
    if candidate.audit:
        each = ", ".join(
            f"{found.bare[at]:,} {candidate.decisions[at]}" for at in needed if found.bare[at]
        )
        kinds = "" if reasons.only == "both" else ', or let Reasons(only="both") name all that does'
        says += f"; at the level audit these need one too ({each}): choose cuts without them{kinds}"
    return _Found(not wrong and not candidate.audit, says, limit)


def _sample(candidate: Candidate, limits: Publication) -> _Found:
    keys = measuring.picked(candidate.database, candidate.parts, limits.sample)
    wrong = _differing(candidate, keys)
    says = f"{len(keys) - len(wrong):,} of {len(keys):,} keys made again from raw data are equal"
    if wrong:
        says += f"; not {_examples(wrong)}"
    limit = "score, decision, reasons, segment and inputs equal bit for bit"
    if candidate.rounding:
        limit = f"scores within {candidate.rounding:g}, the model's own rounding; the rest equal"
    return _Found(not wrong, says, limit)


def _differing(candidate: Candidate, keys: Sequence[int | str]) -> list[str]:
    """What differs, for each key whose row is not what it is when it is made again."""
    if not keys:
        return []
    written = measuring.rows(candidate.database, candidate.parts, keys)
    again = candidate.recompute(keys)
    wrong = []
    for key in keys:
        if key not in again:
            wrong.append(f"{key!r}: is not in the population")
            continue
        mine, theirs = written[key], again[key]
        if 0 < abs(mine["score"] - theirs["score"]) <= candidate.rounding:
            continue  # what follows from the score may differ with it
        fields = [name for name in theirs if mine[name] != theirs[name]]
        if fields:
            name = fields[0]
            wrong.append(f"{key!r}: {name} {mine[name]!r}, made again {theirs[name]!r}")
    return wrong


def _checksum(candidate: Candidate) -> _Found:
    """The parts are read anew: what was measured is what is published."""
    changed = [
        part.name for part in candidate.parts if digest(part) != candidate.sha256.get(part.name)
    ]
    says = f"{len(candidate.parts):,} parts read again, {len(changed):,} differ"
    if len(candidate.parts) != candidate.run.partitions:
        says = f"{len(candidate.parts):,} parts of {candidate.run.partitions:,}"
    if changed:
        says += f": {', '.join(changed[:_MOST])}"
    passed = not changed and len(candidate.parts) == candidate.run.partitions
    return _Found(passed, says, "all parts, each with the SHA-256 that it had when measured")


def _missing(name: str, found: Sketch) -> str:
    return f"{name} {found.share_missing:.2%}"


def _unknown(before: Before) -> str:
    return f"nothing kept of {before.version.name} here: not compared"


def _examples(wrong: Sequence[str]) -> str:
    more = f" and {len(wrong) - _MOST:,} more" if len(wrong) > _MOST else ""
    return "; ".join(wrong[:_MOST]) + more


def _share(value: float) -> str:
    return f"{value * 100:g} %"

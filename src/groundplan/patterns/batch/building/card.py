"""The model card of a build: what it is, what it is for, and what it is not.

Its parts are those of Mitchell et al., Model Cards for Model Reporting (2019).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from groundplan.constraints import Answers
from groundplan.models.codes import LEAST
from groundplan.patterns.batch.building.report.numbers import figure, money, percent
from groundplan.patterns.batch.building.report.tables import FIGURES, UNDER, differences
from groundplan.patterns.batch.definition import Definition
from groundplan.rollout.builds import Manifest
from groundplan.units import show_duration

FILE: Final = "model_card.md"
"""Of a build."""

_UNSAID: Final = "Not stated: say it in `card` of system.py."


def card(manifest: Manifest, answers: Answers, definition: Definition) -> str:
    """The model card of a build, Markdown.

    Args:
        manifest: its figures, and what it is made of.
        answers: the project's.
        definition: what it says of itself, and its reasons.
    """
    parts = {
        "Model details": _details(manifest),
        "Intended use": _use(answers, definition.card),
        "Factors": _factors(manifest.report),
        "Metrics": _metrics(manifest.report),
        "Decisions": _decisions(manifest.report),
        "Evaluation and training data": _data(manifest, definition.card),
        "Quantitative analyses by group": _groups(manifest.report),
        "Reasons": _reasons(manifest.report, definition),
        "Ethical considerations": _considerations(answers, definition.card),
        "Caveats and recommendations": _caveats(manifest, answers, definition.card),
    }
    told = "\n\n".join(f"## {title}\n\n{body}" for title, body in parts.items())
    return f"# Model card: {manifest.system}\n\n{told}\n"


def _details(manifest: Manifest) -> str:
    return _list(
        f"Build `{manifest.build}`, made {manifest.created} by Groundplan {manifest.groundplan}.",
        f"Kind: {manifest.model['kind'].replace('_', ' ')}, `{manifest.model['spec']}`.",
        f"{len(manifest.features['names'])} features: "
        + ", ".join(f"`{name}`" for name in manifest.features["names"])
        + ".",
        f"Fingerprint of the features: `{manifest.features['fingerprint']}`.",
        "Output: the probability that the label is true, a decision and reasons; published in "
        "versions, read by lookup.",
    )


def _use(answers: Answers, said: Mapping[str, str]) -> str:
    return _list(
        f"Goal: {answers.system.goal}.",
        f"Intended use: {said.get('intended use', _UNSAID)}",
        f"Not for: {said.get('not for', _UNSAID)}",
    )


def _factors(report: Mapping[str, Any]) -> str:
    if not report["fairness"]:
        return "No groups are compared: name them in `groups` of system.py."
    told = ", ".join(each["attribute"] for each in report["fairness"])
    return f"Groups compared below: {told}."


def _metrics(report: Mapping[str, Any]) -> str:
    rows = report["rows"]
    first = (
        f"{rows['test']:,} rows, {rows['test_positive']:,} of them positive: {report['judge']}. "
        "In brackets, 95 % intervals over resampled keys."
    )
    models = _table(
        ("model", *(head for _, head in FIGURES)),
        [[m["name"], *(_within(m[name]) for name, _ in FIGURES)] for m in report["models"]],
    )
    if not report["repeated"]:
        return f"{first}\n\n{models}"
    beside = [
        [name, f"{mean:.3f} ± {spread:.3f}", "this build"]
        for name, (mean, spread) in report["repeated"]["models"].items()
    ] + [
        [name, f"{mean:.3f}" + ("" if spread is None else f" ± {spread:.3f}"), "published"]
        for name, (mean, spread) in report["published"].items()
    ]
    says = f"ROC AUC beside published figures; ours over {report['repeated']['says']}."
    return f"{first}\n\n{models}\n\n{says}\n\n{_table(('model', 'ROC AUC', 'by'), beside)}"


def _decisions(report: Mapping[str, Any]) -> str:
    heads = ("decision", "above score", "share", "of them positive", "of all positives")
    rows = [
        [
            each["decision"],
            "–" if each["above"] is None else f"{each['above']:.4f}",
            *(_within(each[name], percent) for name in ("share", "precision", "recall")),
        ]
        for each in report["decisions"]
    ]
    told = _table(heads, rows)
    if report["bill"]:
        bill = report["bill"]
        told += (
            f"\n\nCost per row {_within(bill['decided'], money)}; acting on nobody "
            f"{money(bill['nobody']['value'])}, on everybody {money(bill['everybody']['value'])}."
        )
    return told


def _data(manifest: Manifest, said: Mapping[str, str]) -> str:
    data = manifest.data
    period = "no times" if data["first"] is None else f"{data['first']} to {data['last']}"
    return _list(
        said.get("data", _UNSAID),
        f"{data['rows']:,} rows from {data['file']}, {data['positive']:,} of them positive; "
        f"{period}; SHA-256 of the rows `{data['sha256']}`.",
        f"Trained on {manifest.report['rows']['train']:,} rows; judged on rows that the judged "
        "model did not see.",
    )


def _groups(report: Mapping[str, Any]) -> str:
    told = []
    for each in report["fairness"]:
        names = [name.replace("_", " ") for name in each["decisions"]]
        heads = (
            *(each["attribute"], "rows", "positive", "mean score"),
            *(*names, "true positive rate", "false positive rate", "ROC AUC"),
        )
        rows = [
            [
                group["name"] + (" (few)" if group["small"] else ""),
                f"{group['rows']:,}",
                *(_within(group[name], percent) for name in ("rate", "score")),
                *(_within(share, percent) for share in group["shares"]),
                *(_within(group[name], percent) for name in ("tpr", "fpr")),
                _within(group["roc_auc"]),
            ]
            for group in each["groups"]
        ]
        ratios = [
            f"{ratio['decision']}: the share of {ratio['lowest']} is {_within(ratio['ratio'])} "
            f"times that of {ratio['highest']}"
            + (f", {UNDER[ratio['under']]} (29 CFR 1607.4(D))." if UNDER[ratio["under"]] else ".")
            for ratio in each["ratios"]
        ]
        spread = [
            f"{said.capitalize()}: {_within(each[name], percent)}."
            for name, said in differences(each).items()
            if each[name] is not None
        ]
        told.append(_table(heads, rows) + (f"\n\n{_list(*ratios, *spread)}" if ratios else ""))
    return "\n\n".join(told) or "None."


def _reasons(report: Mapping[str, Any], definition: Definition) -> str:
    if not report["codes"]:
        return "None are published: the answers ask for none."
    of = definition.reasons
    which = ", ".join(of.decisions) if of.decisions else "every decision"
    ways = {"raised": "that raised the score", "lowered": "that lowered it", "both": "either way"}
    rows = [
        [
            f"`{code['code']}`",
            code["description"],
            ", ".join(f"`{name}`{_way(name, report['monotone'])}" for name in code["features"]),
        ]
        for code in report["codes"]
    ]
    held = (
        "\n\n↑: held to a score that never falls as the feature rises; ↓: to one that never rises."
        if report["monotone"]
        else ""
    )
    return (
        f"At most {of.top}, {ways[of.only]}, for {which}; those that added less than "
        f"{percent(LEAST, 0)} of what the strongest did are left out. "
        f"{report['faithful'][:1].upper()}{report['faithful'][1:]}.\n\n"
        f"{_table(('code', 'reason', 'features'), rows)}{held}"
    )


def _considerations(answers: Answers, said: Mapping[str, str]) -> str:
    level = {
        "none": "Nobody is owed an explanation, by the answers of the project.",
        "explain": "Reasons are shown to users, by the answers of the project.",
        "audit": (
            "The use is regulated, by the answers of the project: reasons are exact and can be "
            "recomputed, versions and lookups are recorded."
        ),
    }
    return _list(level[answers.interpretability.level], said.get("considerations", _UNSAID))


def _caveats(manifest: Manifest, answers: Answers, said: Mapping[str, str]) -> str:
    lines = [said.get("caveats", _UNSAID)]
    if manifest.report["gate"]["simpler_would_do"]:
        lines.append("A logistic regression does as well: consider it.")
    if not manifest.report["gate"]["passed"]:
        lines.append("The build did not pass its gate: it does not beat the base rate for sure.")
    age = show_duration(answers.freshness.predictions)
    lines.append(f"Scores are promised to be at most {age} old; older ones are marked as stale.")
    return _list(*lines)


def _way(name: str, monotone: Mapping[str, int]) -> str:
    return {1: " ↑", -1: " ↓"}.get(monotone.get(name, 0), "")


def _within(interval: Mapping[str, float | None], form: Any = figure) -> str:
    if interval["value"] is None:
        return "–"
    return f"{form(interval['value'])} [{form(interval['low'])}, {form(interval['high'])}]"


def _list(*lines: str) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    bar = "|" + "---|" * len(heads)
    shown = [[cell.replace("|", r"\|") for cell in cells] for cells in (heads, *rows)]
    lines = ["| " + " | ".join(cells) + " |" for cells in shown]
    return "\n".join([lines[0], bar, *lines[1:]])

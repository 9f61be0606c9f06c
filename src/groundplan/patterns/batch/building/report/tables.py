"""The tables of a report, as HTML."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from groundplan.patterns.batch.building.report.numbers import NONE, figure, money, percent, within

FIGURES: Final = (
    ("roc_auc", "ROC AUC"),
    ("average_precision", "average precision"),
    ("log_loss", "log loss"),
    ("brier", "Brier score"),
    ("calibration_error", "calibration error"),
)
"""Figures of a model, and what they are called."""


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], marked: Sequence[int] = ()) -> str:
    """A table; the first column names the row, the cells are HTML.

    Args:
        heads: of the columns.
        rows: cells.
        marked: positions of rows that stand out.
    """
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in heads)
    body = "".join(
        f'<tr{" class=marked" if at in marked else ""}><th scope="row">{first}</th>'
        f"{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        for at, (first, *cells) in enumerate(rows)
    )
    grid = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="wide">{grid}</div>'


def models(report: Mapping[str, Any]) -> str:
    """The figures of our model and of those beside it, with intervals."""
    rows = [
        [escape(model["name"]), *(within(model[name]) for name, _ in FIGURES)]
        for model in report["models"]
    ]
    return table(["model", *(head for _, head in FIGURES)], rows, marked=(0,))


def published(report: Mapping[str, Any]) -> str:
    """ROC AUC by the published protocol: ours, then theirs."""
    ours = [
        [escape(name), f"{figure(mean)} ± {figure(spread)}", "this build"]
        for name, (mean, spread) in report["repeated"]["models"].items()
    ]
    theirs = [
        [
            escape(name),
            figure(mean) if spread is None else f"{figure(mean)} ± {figure(spread)}",
            "published",
        ]
        for name, (mean, spread) in report["published"].items()
    ]
    return table(["model", "ROC AUC", "by"], [*ours, *theirs], marked=(0,))


def decisions(report: Mapping[str, Any]) -> str:
    """What each decision does."""
    rows = [
        [
            shown(each["decision"]),
            NONE if each["above"] is None else f"{each['above']:.4f}",
            f"{each['rows']:,}",
            within(each["share"], percent),
            within(each["precision"], percent),
            within(each["recall"], percent),
        ]
        for each in reversed(report["decisions"])
    ]
    heads = ("decision", "above score", "rows", "share", "of them positive", "of all positives")
    return table(heads, rows)


def bill(report: Mapping[str, Any]) -> str:
    """What decisions cost per row, beside deciding all rows alike."""
    said = {
        "decided": "by these decisions",
        "nobody": "acting on nobody",
        "everybody": "acting on everybody",
        "perfect": "knowing the labels",
        "saved": "saved against the better of nobody and everybody",
    }
    rows = [[said[name], within(report["bill"][name], money)] for name in said]
    return table(("", "cost per row"), rows, marked=(0,))


def codes(report: Mapping[str, Any]) -> str:
    """The reason codes, the weightiest first, with what the model is held to."""
    most = max((code["mean"] for code in report["codes"]), default=0.0) or 1.0
    rows = [
        [
            f"<code>{escape(code['code'])}</code>",
            escape(code["description"]),
            f'<span class="bar" style="width:{max(1.0, 100 * code["mean"] / most):.0f}%"></span>'
            f'<span class="interval">{code["mean"]:.3f}</span>',
            percent(code["raised"], 0),
            ", ".join(_feature(name, report["monotone"]) for name in code["features"]),
        ]
        for code in sorted(report["codes"], key=lambda code: -code["mean"])
    ]
    heads = ("code", "reason", "mean weight, log-odds", "raises", "features")
    return table(heads, rows)


UNDER: Final = {
    "surely": "below four fifths, as is the whole interval",
    "maybe": "below four fifths, though its interval reaches above",
    "no": "",
    None: "",
}
"""What is said of the ratio of the decision that people want, and of no other."""


def differences(told: Mapping[str, Any]) -> dict[str, str]:
    """What the greatest differences between the groups of an attribute are called, by rate."""
    rates = {"tpr": "true positive rates", "fpr": "false positive rates"}
    return {
        name: f"greatest difference of {rate}"
        + (" (equal opportunity)" if name == told["opportunity"] else "")
        for name, rate in rates.items()
    }


def fairness(told: Mapping[str, Any]) -> str:
    """The table of one attribute, and how uneven it is."""
    heads = [
        "group",
        "rows",
        "positive",
        "mean score",
        *(shown(name) for name in told["decisions"]),
        "true positive rate",
        "false positive rate",
        "ROC AUC",
    ]
    rows = [
        [
            escape(group["name"]) + (' <span class="flag">few</span>' if group["small"] else ""),
            f"{group['rows']:,}",
            within(group["rate"], percent),
            within(group["score"], percent),
            *(within(share, percent) for share in group["shares"]),
            within(group["tpr"], percent),
            within(group["fpr"], percent),
            within(group["roc_auc"]),
        ]
        for group in told["groups"]
    ]
    return table(heads, rows) + _uneven(told)


def _uneven(told: Mapping[str, Any]) -> str:
    """The ratios of decisions and the differences of errors, in a line each."""
    if not told["ratios"]:
        return '<p class="note">Too few rows to compare groups.</p>'
    lines = []
    for ratio in told["ratios"]:
        said = UNDER[ratio["under"]]
        flag = f' <span class="flag">{said}</span>' if said else ""
        ends = f"{escape(ratio['lowest'])} against {escape(ratio['highest'])}"
        lines.append(
            f"<li><b>{shown(ratio['decision'])}</b> {ends}: "
            f"ratio {within(ratio['ratio'])}{flag}</li>"
        )
    lines += [
        f"<li>{said}: {within(told[name], percent)}</li>"
        for name, said in differences(told).items()
    ]
    return f'<ul class="uneven">{"".join(lines)}</ul>'


def shown(decision: str) -> str:
    """A decision for people."""
    return escape(decision.replace("_", " "))


def _feature(name: str, monotone: Mapping[str, int]) -> str:
    way = {1: "never lowers the score as it rises", -1: "never raises the score as it rises"}
    sign = monotone.get(name, 0)
    if not sign:
        return f"<code>{escape(name)}</code>"
    return (
        f'<code title="{way[sign]}">{escape(name)}<span class="way">{"↑" if sign > 0 else "↓"}'
        "</span></code>"
    )

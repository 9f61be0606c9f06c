"""The page itself: what is told in which order."""

from collections.abc import Mapping
from html import escape
from importlib import resources
from typing import Any, Final

from groundplan.models.fairness import SMALL
from groundplan.patterns.batch.building.report import plots, tables
from groundplan.patterns.batch.building.report.numbers import figure, money, percent, within
from groundplan.rollout.builds import Manifest

FILE: Final = "report.html"
"""Of a build."""

_INTERVALS: Final = "95 % intervals over resampled keys"


def page(manifest: Manifest, goal: str) -> str:
    """The report of a build as one HTML page that needs nothing else.

    Args:
        manifest: its figures, and what it is made of.
        goal: of the system, in a sentence.
    """
    report = manifest.report
    parts = [
        _head(manifest, goal),
        _tiles(report),
        _quality(report),
        _calibration(report),
        _ranking(report),
        _decisions(report),
        _reasons(report),
        _fairness(report),
        _origin(manifest),
    ]
    style = (resources.files(__package__) / "style.css").read_text()
    title = escape(f"{manifest.system}, build {manifest.build}")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>\n{style}</style></head>\n"
        f"<body><main>\n{chr(10).join(part for part in parts if part)}\n</main></body></html>\n"
    )


def _head(manifest: Manifest, goal: str) -> str:
    gate = manifest.report["gate"]
    state = ("good", "passed") if gate["passed"] else ("bad", "not passed")
    simpler = (
        '<p class="note">The logistic regression does as well here: consider serving it.</p>'
        if gate["simpler_would_do"]
        else ""
    )
    return (
        f"<header><h1>{escape(manifest.system)}</h1><p class=goal>{escape(goal)}</p>"
        f'<p class="note">build <code>{escape(manifest.build)}</code> of '
        f"{escape(manifest.created[:16].replace('T', ' '))} UTC · {escape(manifest.model['kind'])} "
        f"over {len(manifest.features['names'])} features</p>"
        f'<p><span class="state {state[0]}">gate {state[1]}</span> '
        f'<span class="note">{escape(gate["rule"])}</span></p>{simpler}</header>'
    )


def _tiles(report: Mapping[str, Any]) -> str:
    """The four figures that matter most."""
    ours = report["models"][0]
    best = next((p for p in report["lift"]["points"] if p["share"] >= 0.1), None)
    tiles = [
        ("ROC AUC", figure(ours["roc_auc"]["value"]), _ends(ours["roc_auc"])),
        ("calibration error", *_share(ours["calibration_error"])),
    ]
    if best is not None:
        lift = best["lift"]
        ends = f"{lift['low']:.1f} to {lift['high']:.1f}"
        tiles.append(("lift, highest 10 %", f"{lift['value']:.1f}×", ends))
    if report["bill"]:
        saved = report["bill"]["saved"]
        ends = f"{money(saved['low'])} to {money(saved['high'])}"
        tiles.append(("saved per row", money(saved["value"]), ends))
    else:
        acted = 1 - report["decisions"][0]["share"]["value"]
        first = tables.shown(report["decisions"][0]["decision"])
        tiles.append((f"other than {first}", percent(acted), "of the rows"))
    shown = "".join(
        f'<div class="tile"><span class="note">{name}</span><b>{value}</b>'
        f'<span class="interval">{ends}</span></div>'
        for name, value, ends in tiles
    )
    return f'<section class="tiles">{shown}</section>'


def _quality(report: Mapping[str, Any]) -> str:
    rows = report["rows"]
    said = (
        f"{rows['test']:,} rows, {rows['test_positive']:,} of them positive: {report['judge']}. "
        f"{_INTERVALS}."
    )
    beside = ""
    if report["repeated"]:
        beside = (
            f"<h3>Beside published figures</h3>{tables.published(report)}"
            f'<p class="note">Ours: {escape(report["repeated"]["says"])}. Theirs: as they state '
            "it, on other splits of the same data.</p>"
        )
    return _section("How well it tells rows apart", said, tables.models(report) + beside)


def _calibration(report: Mapping[str, Any]) -> str:
    said = (
        "Rows in bins of equal size: how many turned out positive against the mean score. On the "
        "dashed line, a score of 20 % means that 2 of 10 are."
    )
    keys = _keys(("ours", "this build"), ("hits", "positive rows"), ("rest", "other rows"))
    drawn = plots.calibration(report["calibration"], report["histogram"])
    bins = tables.table(
        ("scores", "rows", "mean score", "positive"),
        [
            [
                f"{percent(each['low'])} to {percent(each['high'])}",
                f"{each['rows']:,}",
                percent(each["score"]),
                within(each["rate"], percent),
            ]
            for each in report["calibration"]
        ],
    )
    body = f'<div class="pair"><figure>{keys}{drawn}</figure><div>{bins}</div></div>'
    return _section("Whether a score can be taken at its word", said, body)


def _ranking(report: Mapping[str, Any]) -> str:
    said = "How many of the positives the highest scores hold."
    rows = report["rows"]
    rate = rows["test_positive"] / rows["test"]
    acted, share, found = [], 0.0, 0.0
    for each in list(reversed(report["decisions"]))[:-1]:
        share += each["share"]["value"]
        found += each["recall"]["value"]
        acted.append((each["decision"].replace("_", " "), share, found))
    gain = plots.gain(report["lift"]["curve"], rate, acted)
    body = (
        f'<div class="pair"><figure><figcaption>Gain</figcaption>{gain}</figure>'
        f"<figure><figcaption>Lift</figcaption>{plots.lift(report['lift']['points'])}</figure></div>"
    )
    return _section("Who is found first", said, body)


def _decisions(report: Mapping[str, Any]) -> str:
    said = "Each row by cuts that were chosen on the other rows; the cuts shown are the build's."
    if not report["bill"]:
        return _section("What is decided", said, tables.decisions(report))
    act = report["decisions"][-1]
    drawn = plots.costs(report["costs"], act["above"], act["decision"].replace("_", " "))
    body = (
        f'{tables.decisions(report)}<div class="pair"><figure><figcaption>Cost per row'
        f"</figcaption>{drawn}</figure><div>{tables.bill(report)}"
        '<p class="note">The cut of the build is the cheapest on these rows; the table decides '
        "each row by a cut that was chosen on others.</p></div></div>"
    )
    return _section("What is decided, and what it costs", said, body)


def _reasons(report: Mapping[str, Any]) -> str:
    if not report["codes"]:
        return ""
    said = "The reasons that an answer may name, by their mean weight either way."
    held = (
        '<p class="note">↑ the score never falls as the feature rises, ↓ it never rises: the trees '
        "are held to it.</p>"
        if report["monotone"]
        else ""
    )
    return _section("What moves scores", said, tables.codes(report) + held)


def _fairness(report: Mapping[str, Any]) -> str:
    if not report["fairness"]:
        return ""
    said = (
        "How decisions and errors spread over groups. A true positive rate is the share of a "
        "group's positives that is acted on; a group is calibrated where its mean score is its "
        "share of positives. The four-fifths rule (29 CFR 1607.4(D)) looks at the ratio of the "
        f"lowest to the highest share of the decision that people want, {_wanted(report)}. "
        f"{_opportunity(report)}Groups marked <i>few</i> have under {SMALL} rows of a class and "
        f"are not compared. {_INTERVALS}."
    )
    body = "".join(
        f"<h3>{escape(told['attribute'])}</h3>{tables.fairness(told)}"
        for told in report["fairness"]
    )
    return _section("Whom it treats how", said, body, plain=False)


def _wanted(report: Mapping[str, Any]) -> str:
    """Which decision the four-fifths rule is held to."""
    ratios = [ratio for told in report["fairness"] for ratio in told["ratios"]]
    held = [ratio["decision"] for ratio in ratios if ratio["under"] is not None]
    if not held:
        return "which `favourable` in system.py may name"
    return f"here <b>{tables.shown(held[0])}</b>, and is flagged for that one alone"


_DUE: Final = {
    "tpr": "true positive rates: the positives are who should get it, and the rate is of those "
    "who do",
    "fpr": "false positive rates: the negatives are who should get it, and the rate is of those "
    "who do not",
    None: "",
}
"""What equal opportunity looks at, by the rate that says it."""


def _opportunity(report: Mapping[str, Any]) -> str:
    """Which difference equal opportunity is about; nothing where it is about none."""
    due = _DUE[report["fairness"][0]["opportunity"]]
    return f"Equal opportunity (Hardt et al., 2016) looks at the difference of {due}. " * bool(due)


def _origin(manifest: Manifest) -> str:
    data = manifest.data
    period = f", {data['first'][:10]} to {data['last'][:10]}" if data["first"] else ""
    rows = [
        ["data", f"{escape(str(data['file']))}: {data['rows']:,} rows{period}"],
        ["SHA-256 of the rows", f"<code>{data['sha256']}</code>"],
        ["features", ", ".join(f"<code>{escape(n)}</code>" for n in manifest.features["names"])],
        ["fingerprint of the features", f"<code>{manifest.features['fingerprint']}</code>"],
        ["model", f"<code>{escape(manifest.model['spec'])}</code>"],
        ["decisions", f"<code>{escape(manifest.model['decisions'])}</code>"],
        ["made by", f"Groundplan {escape(manifest.groundplan)}"],
    ]
    body = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
    return _section("Where it comes from", "", f"<dl>{body}</dl>")


def _section(title: str, said: str, body: str, *, plain: bool = True) -> str:
    told = f'<p class="note">{escape(said) if plain else said}</p>' if said else ""
    return f"<section><h2>{escape(title)}</h2>{told}{body}</section>"


def _keys(*named: tuple[str, str]) -> str:
    items = "".join(
        f'<span><i class="swatch {kind}"></i>{escape(name)}</span>' for kind, name in named
    )
    return f'<p class="keys">{items}</p>'


def _ends(interval: Mapping[str, float]) -> str:
    return f"{figure(interval['low'])} to {figure(interval['high'])}"


def _share(interval: Mapping[str, float]) -> tuple[str, str]:
    ends = f"{percent(interval['low'])} to {percent(interval['high'])}"
    return percent(interval["value"]), ends

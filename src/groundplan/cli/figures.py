"""The figures of a build, as `groundplan build` prints them."""

from typing import Any

from groundplan.cli.tables import console, heading, table
from groundplan.rollout.builds import Build

_TIERS = (
    *("decision", "above score", "volume", "of genuine"),
    *("precision", "recall", "amount", "of it fraud"),
)

_FIGURES = (
    ("roc_auc", "ROC AUC"),
    ("average_precision", "average precision"),
    ("log_loss", "log loss"),
    ("brier", "Brier score"),
    ("calibration_error", "calibration error"),
)
_DECISIONS = ("decision", "above score", "share", "of them positive", "of all positives")


def show(build: Build) -> None:
    """Print what a build was made from and how good it is."""
    if "tiers" in build.manifest.report:
        _realtime(build)
    else:
        _batch(build)


def _batch(build: Build) -> None:
    """Folds, decisions by their own names, costs and groups; the page shows the rest."""
    manifest = build.manifest
    report, out = manifest.report, console()
    heading(out, f"build {manifest.build} of {manifest.system}")
    rows = report["rows"]
    out.print(
        f"{manifest.data['rows']:,} rows, {len(manifest.features['names'])} features; trained on "
        f"{rows['train']:,}, judged on {rows['test']:,} ({rows['test_positive']:,} positive): "
        f"{report['judge']}"
    )
    heading(out, "Figures, with 95 % intervals over resampled keys")
    models = report["models"]
    table(
        out,
        ("", *(model["name"] for model in models)),
        [(said, *(_interval(model[name]) for model in models)) for name, said in _FIGURES],
    )
    if report["repeated"]:
        heading(out, f"ROC AUC beside published figures; ours over {report['repeated']['says']}")
        table(out, ("model", "ROC AUC", ""), _beside(report))
    heading(out, "Decisions, by cuts that were chosen on other rows")
    table(out, _DECISIONS, [_decided(each) for each in report["decisions"]], right=_DECISIONS[1:])
    if report["bill"]:
        bill = {name: cost["value"] for name, cost in report["bill"].items()}
        out.print(
            f"\nthey cost {bill['decided']:,.2f} a row; acting on nobody {bill['nobody']:,.2f}, on "
            f"everybody {bill['everybody']:,.2f}"
        )
    for told in report["fairness"]:
        heading(out, f"By {told['attribute']}")
        heads = (told["attribute"], "rows", "positive", *told["decisions"], "TPR", "FPR", "ROC AUC")
        table(out, heads, [_group(group) for group in told["groups"]], right=heads[1:])
    _gate(report, build)
    out.print("report.html there shows calibration, lift, costs, reasons and groups")


def _realtime(build: Build) -> None:
    """One test period, tiers of transactions."""
    manifest = build.manifest
    report = manifest.report
    out = console()
    heading(out, f"build {manifest.build} of {manifest.system}")
    data = manifest.data
    out.print(
        f"{data['rows']:,} events from {data['first'][:10]} to {data['last'][:10]}; "
        f"{len(manifest.features['names'])} features"
    )
    rows = report["rows"]
    out.print(
        f"trained on {rows['train']:,} rows ({rows['train_positive']:,} positive), "
        f"tested on {rows['test']:,} ({rows['test_positive']:,} positive)"
    )
    heading(out, "Test figures, with 95 % intervals over resampled customers")
    names = ("roc_auc", "average_precision", "card_precision")
    ours = [
        (model["name"], *(_interval(model[name]) for name in names), "this build")
        for model in report["models"]
    ]
    theirs = [
        (name, *(f"{figure:.3f}" for figure in figures), "published")
        for name, figures in report["published"].items()
    ]
    table(
        out,
        ("model", "ROC AUC", "average precision", "card precision@100", ""),
        [*ours, *theirs],
    )
    bill = report["bill"]
    how = "of least cost" if bill else "at the stated false-positive rates"
    heading(out, f"Decisions {how}, on the test period")
    table(
        out,
        _TIERS,
        [_tier(tier, manifest.thresholds) for tier in report["tiers"]],
        right=_TIERS[1:],
    )
    if bill:
        out.print(
            f"\nthey cost {bill['decided']:,.0f}; approving everything {bill['approve_all']:,.0f}, "
            f"declining everything {bill['decline_all']:,.0f}"
        )
    _gate(report, build)


def _gate(report: dict[str, Any], build: Build) -> None:
    """Whether it may go live, and where it is."""
    gate, out = report["gate"], console()
    out.print(f"\ngate ({gate['rule']}): {'passed' if gate['passed'] else 'NOT passed'}")
    if gate["simpler_would_do"]:
        out.print("the logistic regression does as well here: consider serving it instead")
    out.print(f"\n{build.folder}")


def _beside(report: dict[str, Any]) -> list[tuple[str, ...]]:
    """Rows of ROC AUC and spread: ours, then the published ones."""
    both = ((report["repeated"]["models"], "this build"), (report["published"], "published"))
    return [
        (name, f"{mean:.3f}" + ("" if spread is None else f" ± {spread:.3f}"), by)
        for found, by in both
        for name, (mean, spread) in found.items()
    ]


def _decided(each: dict[str, Any]) -> tuple[str, ...]:
    """A row of the table of decisions."""
    above = each["above"]
    return (
        each["decision"].replace("_", " "),
        "" if above is None else f"{above:.4f}",
        *(_share(each[name]["value"], ".1%") for name in ("share", "precision", "recall")),
    )


def _group(group: dict[str, Any]) -> tuple[str, ...]:
    """A row of the table of a group; one with few rows of a class says so."""
    shares = (group["rate"], *group["shares"], group["tpr"], group["fpr"])
    return (
        group["name"] + (" (few)" if group["small"] else ""),
        f"{group['rows']:,}",
        *(_share(each["value"], ".1%") for each in shares),
        _share(group["roc_auc"]["value"], ".3f"),
    )


def _interval(interval: dict[str, float]) -> str:
    return f"{interval['value']:.3f}  [{interval['low']:.3f}, {interval['high']:.3f}]"


def _tier(tier: dict[str, Any], thresholds: dict[str, float]) -> tuple[str, ...]:
    """A row of the table of tiers; a dash where there is nothing to count."""
    above = thresholds.get(tier["action"])
    return (
        tier["action"].replace("_", " "),
        "" if above is None else f"{above:.4f}",
        f"{tier['volume']:.2%}",
        _share(tier["false_positives"], ".2%"),
        _share(tier["precision"], ".1%"),
        _share(tier["recall"], ".1%"),
        _share(tier["amount"], ",.0f"),
        _share(tier["fraud_amount"], ",.0f"),
    )


def _share(figure: float | None, form: str) -> str:
    return "–" if figure is None else format(figure, form)

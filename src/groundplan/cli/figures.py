"""The figures of a build, as `groundplan build` prints them."""

from typing import Any

from groundplan.cli.tables import console, heading, table
from groundplan.rollout.builds import Build

_TIERS = (
    *("decision", "above score", "volume", "of genuine"),
    *("precision", "recall", "amount", "of it fraud"),
)


def show(build: Build) -> None:
    """Print what a build was made from and how good it is."""
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
    gate = report["gate"]
    out.print(f"\ngate ({gate['rule']}): {'passed' if gate['passed'] else 'NOT passed'}")
    if gate["simpler_would_do"]:
        out.print("the logistic regression does as well here: consider serving it instead")
    out.print(f"\n{build.folder}")


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

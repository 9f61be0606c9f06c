"""How a new model reaches everybody: four steps with their guardrails, and the way back."""

from groundplan.plan.page.markup import Html, join, tag
from groundplan.plan.stage import Plan
from groundplan.units import show_duration


def rollout(plan: Plan, *, runs: bool) -> Html:
    """The steps in order; which of them this version takes by itself is said on each."""
    going = "groundplan score" if plan.pattern == "batch" else "groundplan build"
    steps = [
        ("1 gate", plan.retraining.gate, "groundplan build" if runs else None),
        _shadow(plan, runs=runs),
        (
            "3 canary",
            f"a small share of the requests; the p99 stays within {show_duration(plan.p99)}, and "
            "no more answers are degraded than before",
            None,
        ),
        (
            "4 everybody",
            "one pointer moves, in one step; a reader sees the old build or the new one, never "
            "a mixture",
            going if runs else None,
        ),
        (
            "back",
            "the same pointer, moved to the build before; nothing is rebuilt",
            "groundplan rollback" if runs and plan.pattern == "batch" else None,
        ),
    ]
    return join(tag("ol", *(_step(*step) for step in steps), class_="steps"))


def _shadow(plan: Plan, *, runs: bool) -> tuple[str, str, str | None]:
    if plan.pattern == "batch":
        held = "a run scores everything, and publishes nothing that strays from the last version"
        return ("2 shadow", held, "groundplan score" if runs else None)
    beside = "the new build answers beside the live one and nobody sees it; "
    if any(stage.name == "generate" for stage in plan.online):
        beside += "people judge a sample of both texts, not knowing which is which"
    else:
        what = "orders" if plan.pattern == "ranking" else "scores"
        beside += f"its {what} differ from the live ones only where the change was meant to show"
    return ("2 shadow", beside, None)


def _step(name: str, guardrail: str, by: str | None) -> Html:
    done = tag("code", by) if by else tag("span", "to arrange", class_="soft")
    return tag("li", tag("h3", name), tag("p", guardrail), tag("p", done, class_="by"))

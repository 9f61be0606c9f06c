"""The page: one file that a team can take into a design review, with no network behind it."""

import json
from base64 import b64encode
from hashlib import sha256
from importlib import resources
from typing import Final

from groundplan.decision import Costs
from groundplan.decision.domain import DOMAINS
from groundplan.decision.rules import RULES
from groundplan.decision.script import script, slots
from groundplan.plan.dossier import TEN, Dossier
from groundplan.plan.growth import bills
from groundplan.plan.page import needs
from groundplan.plan.page.calendar import calendar
from groundplan.plan.page.drawing import drawing
from groundplan.plan.page.latency import figures, latency
from groundplan.plan.page.markup import Html, join, prose, table, tag
from groundplan.plan.page.modes import modes
from groundplan.plan.page.rollout import rollout
from groundplan.plan.page.rulings import TABLES, home, rulings
from groundplan.plan.page.scales import flips, scales
from groundplan.plan.page.shape import said
from groundplan.plan.page.verdict import STALE, runs, verdict, ways_out
from groundplan.plan.stage import Plan, Stage

_PARTS: Final = ("answers", "scale", "controls", "conflict", "decision", "page")


def page(dossier: Dossier) -> str:
    """One self-contained HTML file: the decision, the plan, and answers to move.

    The decision in the page is the one of `groundplan.decision`, compiled; its policy forbids
    every request, and every script but the two of its own.
    """
    scripts = [script(dossier.costs), _own_script()]
    hashes = " ".join(f"'sha256-{_hash(one)}'" for one in scripts)
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src {hashes}; "
        "base-uri 'none'; form-action 'none'"
    )
    system = dossier.answers.system
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="description", content=f"{system.name}: {system.goal}"),
        tag("title", f"{system.name}: {dossier.decision.pattern or 'conflict'}"),
        tag("style", Html(_own("style.css"))),
    )
    data = json.dumps(_data(dossier), ensure_ascii=False).replace("<", "\\u003c")
    body = tag(
        "body",
        tag("a", "skip to the decision", href="#decision", class_="skip"),
        _masthead(dossier),
        tag("main", *_sections(dossier)),
        _bar(),
        _colophon(dossier.costs),
        tag("script", Html(data), type="application/json", id="data"),
        *(tag("script", Html(one)) for one in scripts),
    )
    return f'<!doctype html>\n<html lang="en">{head}\n{body}\n</html>\n'


def _own(name: str) -> str:
    return (resources.files("groundplan.plan.page") / name).read_text(encoding="utf-8")


def _own_script() -> str:
    """The parts of the page's script, in order, in one scope."""
    parts = "\n".join(_own(f"{name}.js") for name in _PARTS)
    return f'(() => {{\n"use strict";\n{parts}}})();\n'


def _hash(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()


def _data(dossier: Dossier) -> dict[str, object]:
    """What the page's script begins with: the answers as filed, and what they decide."""
    return {
        "answers": slots(dossier.answers),
        "tables": list(TABLES),
        "homes": {rule.name: home(rule.reads) for rule in RULES},
        "loosest": {key: _plain(domain.loosest) for key, domain in DOMAINS.items()},
        "options": _options(dossier),
    }


def _plain(value: object) -> object:
    """An integer as digits, which no JSON reader rounds."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _options(dossier: Dossier) -> list[str]:
    """The options, besides the answers, that draw this page again."""
    found = []
    if dossier.prices:
        said = ",".join(f"{name}={price:.12g}" for name, price in dossier.prices.items())
        found.append(f"--prices {said}")
    at = dossier.growth[-1].factors if dossier.growth else TEN
    if at != TEN:
        found.append(f"--at {','.join(f'{axis}={factor:g}x' for axis, factor in at.items())}")
    return found


def _masthead(dossier: Dossier) -> Html:
    system = dossier.answers.system
    links = [
        ("decision", "decision"),
        ("conflict", "what clashes"),
        ("architecture", "architecture"),
        ("answers", "change an answer"),
        ("why", "why"),
        ("capacity", "capacity"),
        ("growth", "growth"),
        ("failures", "failures"),
        ("log", "log"),
    ]
    there = {"decision", "answers", "why"} if dossier.plan is None else {one for one, _ in links}
    there = there | {"conflict"} if dossier.conflicts else there - {"conflict"}
    there -= {"capacity"} if dossier.capacity is None else set()
    there -= set() if dossier.growth else {"growth"}
    return tag(
        "header",
        tag("div", tag("b", system.name, class_="system"), tag("p", system.goal)),
        tag(
            "div",
            tag("button", "print", type="button", id="print"),
            tag("button", "dark", type="button", id="theme", aria_pressed="false"),
            class_="tools",
        ),
        tag(
            "nav",
            *(tag("a", words, href=f"#{one}") for one, words in links if one in there),
            aria_label="sections",
        ),
        class_="masthead",
    )


def _sections(dossier: Dossier) -> list[Html | None]:
    plan = dossier.plan
    disagree = (
        tag(
            "p",
            "Move an answer: the rules run in this page. A scale is coloured by what its values "
            "decide with the other answers as they stand; a mark is the exact point of a change. "
            "Page up and page down go from change to change.",
            class_="live-only",
        ),
        scales(dossier),
        tag("h3", "Where the decision changes", id="flips"),
        flips(dossier.flips),
    )
    return [
        verdict(dossier),
        ways_out(dossier.conflicts),
        *(_drawn(plan) if plan else ()),
        _section("answers", "Disagree? Change an answer", *disagree),
        _section(
            "why",
            "What rules the others out",
            rulings(dossier),
            tag("h3", "The parts inside"),
            _folded("each with its reason", _components(dossier)),
        ),
        *(_depth(dossier, plan) if plan else ()),
    ]


def _section(name: str, title: str, *children: str | None, filed: bool = False) -> Html:
    kind = "filed" if filed else None
    return tag(
        "section", tag("h2", title), STALE if filed else None, *children, id=name, class_=kind
    )


def _folded(words: str, *children: str | None) -> Html:
    """What a wide screen shows at once, and a phone behind a fold."""
    return tag(
        "details",
        tag("summary", words[0].upper() + words[1:]),
        *children,
        open=True,
        data_phone=True,
    )


def _drawn(plan: Plan) -> list[Html]:
    legend = tag(
        "p",
        tag("span", "precomputed", class_="key ahead"),
        tag("span", "live, with its budget", class_="key live"),
        tag("span", "kept", class_="key store"),
        class_="legend",
    )
    picture = tag("figure", legend, drawing(plan))
    fold = tag("details", tag("summary", "Each stage in full"), _stages(plan.stages), class_="fold")
    return [
        _section("architecture", "The architecture", picture, fold, filed=True),
        _section("latency", "Where the time goes", *_time(plan), filed=True),
    ]


def _time(plan: Plan) -> list[Html]:
    return [latency(plan), _folded("stage by stage, with what answers instead", figures(plan))]


def _components(dossier: Dossier) -> Html:
    rows: list[tuple[str | None, ...]] = [
        (said(role), tag("b", said(one.choice)), one.because)
        for role, one in dossier.decision.components.items()
    ]
    heads = ("part", "choice", "because")
    return table("Components", heads, rows, class_="cards components", id="components")


def _depth(dossier: Dossier, plan: Plan) -> list[Html | None]:
    return [
        _section("capacity", "What it needs", needs.capacity(dossier.capacity), filed=True)
        if dossier.capacity
        else None,
        _section(
            "growth",
            needs.title(dossier.growth),
            needs.growth(dossier.growth, bills(dossier.capacity, dossier.growth)),
            filed=True,
        )
        if dossier.growth
        else None,
        _section(
            "failures", "How it fails, and what answers", modes(dossier.failures, plan), filed=True
        ),
        _section(
            "watch",
            "What is watched",
            _folded(f"{len(plan.monitoring)} signals, each with its threshold", _watches(plan)),
            filed=True,
        ),
        _section("retraining", "When it learns", *_retraining(dossier, plan), filed=True),
        _section(
            "rollout",
            "How a change goes live",
            _folded("five steps", rollout(plan, runs=runs(dossier))),
            filed=True,
        ),
        _section(
            "log",
            "The decisions",
            _folded(
                f"{len(plan.summary)} decisions, with their reasons",
                tag("ol", *(tag("li", prose(line)) for line in plan.summary), class_="log"),
            ),
            filed=True,
        ),
    ]


def _stages(stages: tuple[Stage, ...]) -> Html:
    heads = ("stage", "does", "runs on", "at scale", "if it is wrong", "seen in")
    rows: list[tuple[str | None, ...]] = [
        (
            join(said(s.name), tag("small", " live" if s.side == "online" else " precomputed")),
            s.does,
            s.served_by,
            s.at_scale,
            s.breaks,
            s.detected,
        )
        for s in stages
    ]
    return table("Stages", heads, rows, class_="cards wide-table")


def _watches(plan: Plan) -> Html:
    heads = ("signal", "threshold", "then")
    rows: list[tuple[str | None, ...]] = [
        (w.signal, w.threshold, w.action) for w in plan.monitoring
    ]
    return table("Monitoring", heads, rows, class_="cards")


def _retraining(dossier: Dossier, plan: Plan) -> list[Html]:
    sooner = (tag("li", "sooner when: ", prose(trigger)) for trigger in plan.retraining.triggers)
    drawn = calendar(dossier, plan)
    return [
        tag("p", tag("b", plan.retraining.cadence)),
        *([tag("figure", drawn)] if drawn else []),
        tag("ul", *sooner, tag("li", f"a new one serves only if: {plan.retraining.gate}")),
    ]


def _bar() -> Html:
    """What stays in sight while answers are moved."""
    return tag(
        "aside",
        tag("p", data_live="changed"),
        tag("p", "In the project's folder, this draws it all anew:", class_="how"),
        tag("code", data_live="command"),
        tag("button", "copy", type="button", id="copy", aria_live="polite"),
        tag("button", "reset", type="button", id="reset"),
        id="moved",
        hidden=True,
        tabindex=-1,
        aria_label="answers changed in this page",
    )


def _colophon(costs: Costs) -> Html:
    words = (
        f"Decided and estimated with the cost table {costs.name}: {costs.machine}, measured "
        f"{costs.measured_at}. Drawn by Groundplan; this file asks nothing of the network."
    )
    return tag("footer", tag("p", words))

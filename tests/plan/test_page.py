"""The page, in a real browser: what it shows, what it decides, and who can read it."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from answer_cases import changed, given_answers, value_of
from browser import Browser
from groundplan.constraints import FIELDS, Answers
from groundplan.constraints.kind import Count, Flag, Fraction
from groundplan.decision import decide, flips
from groundplan.decision.case import KEYS
from groundplan.decision.domain import DOMAINS
from groundplan.plan import draw
from groundplan.plan.budget import share
from groundplan.plan.dossier import Dossier, draw_up
from groundplan.plan.page import page
from groundplan.plan.page.calendar import cadence
from groundplan.plan.page.lettering import lines, width
from groundplan.units import DAY

CASES: Final[dict[str, dict[str, Any]]] = {
    "realtime": {"delay": "7d", "positive_rate": 0.008},
    "batch": {
        "predictions": "24h",
        "features": "24h",
        "requests": "foreseen",
        "throughput": "50/s",
        "level": "explain",
        "delay": "30d",
    },
    "ranking": {
        "output": "ranking",
        "kind": "implicit",
        "p99": "200ms",
        "per_request": 10_000_000,
        "throughput": "200/s",
        "features": "1m",
        "level": "explain",
        "hosts": 4,
        "cores": 16,
    },
    "lists": {
        "output": "ranking",
        "kind": "explicit",
        "p99": "90ms",
        "per_request": 5_000_000,
        "throughput": "20/s",
        "predictions": "24h",
        "features": "1m",
        "requests": "foreseen",
        "level": "audit",
    },
    "rag": {
        "output": "answer",
        "kind": "sparse",
        "p99": "3s",
        "streamed": True,
        "throughput": "5/s",
        "knowledge": "10m",
        "features": "10m",
        "private_corpus": True,
        "external_api": "inference",
        "level": "explain",
    },
    "model": {"output": "answer", "p99": "3s", "level": "none", "private_corpus": False},
    "conflict": {
        "output": "ranking",
        "per_request": 10_000_000,
        "p99": "1ms",
        "throughput": "20000/s",
    },
}
"""All four patterns, ranking with prepared lists, a language model alone, and a conflict."""


@pytest.fixture(scope="module")
def dossiers() -> dict[str, Dossier]:
    """What is rendered."""
    return {name: draw_up(given_answers(**case)) for name, case in CASES.items()}


class _Balanced(HTMLParser):
    """Every element is closed, in order; ids are unique and links lead somewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: set[str] = set()
        self.foreign: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        for name in ("href", "src", "action", "data", "poster", "srcset"):
            value = given.get(name) or ""
            if value.startswith("#"):
                self.links.add(value[1:])
            elif value:
                self.foreign.append(value)
        if tag not in {"meta", "br", "wbr", "input"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", CASES)
def test_the_file_is_whole_and_small(name: str, files: Path) -> None:
    """Balanced, every link leads into the page, nothing is loaded, and it can be mailed."""
    text = (files / f"{name}.html").read_text(encoding="utf-8")
    parsed = _Balanced()
    parsed.feed(text)
    parsed.close()
    assert parsed.open == []
    assert len(parsed.ids) == len(set(parsed.ids))
    assert parsed.links <= set(parsed.ids)
    assert parsed.foreign == []
    assert "url(" not in text.replace("url(#", "")
    assert "@import" not in text
    assert len(text.encode()) < 400_000


def test_what_the_user_wrote_is_text(browser: Browser, tmp_path: Path) -> None:
    """A goal with markup is shown as it was written, and runs nothing."""
    goal = "</script><script>document.title='x'</script><img src=http://x.test/> & \"quotes\""
    dossier = draw_up(given_answers(goal=goal, name="a<b>c"))
    file = tmp_path / "page.html"
    file.write_text(page(dossier), encoding="utf-8")
    browser.open(file)
    assert browser.evaluate("document.querySelector('.masthead p').textContent") == goal
    assert browser.evaluate("document.title") == "a<b>c: realtime"
    assert browser.evaluate("document.images.length") == 0
    assert browser.log == []


@pytest.mark.parametrize("name", CASES)
def test_the_page_is_silent_and_asks_nothing(name: str, browser: Browser, files: Path) -> None:
    """No message on the console, no request but the file, in light and dark."""
    for dark in (False, True):
        browser.media(dark=dark)
        browser.screen(1280, 900)
        browser.open(files / f"{name}.html")
        browser.evaluate("document.getElementById('theme').click()")
        assert browser.log == []
        assert browser.requests == [(files / f"{name}.html").as_uri()]
    browser.media()


# The decision in the page.

READER: Final = (Path(__file__).parent / "reader.js").read_text(encoding="utf-8")


def _ask(browser: Browser, question: str) -> Any:
    """The value of a question to `reader.js` in the page."""
    return browser.evaluate(f"(() => {{ {READER} return {question}; }})()")


def _read(key: str, text: str) -> Any:
    if text in {"", "not stated"}:
        return FIELDS[key].default
    kind = FIELDS[key].kind
    if isinstance(kind, Flag):
        return text == "yes"
    if isinstance(kind, Count):
        return kind.read(int(text))
    return kind.read(float(text) if isinstance(kind, Fraction) else text)


def _answers(start: Answers, seen: dict[str, Any]) -> Answers:
    answers = start
    for key, text in (seen["typed"] | seen["chosen"]).items():
        answers = changed(answers, key, _read(key, text))
    return answers


@pytest.mark.parametrize("name", ["realtime", "batch", "ranking", "rag", "conflict"])
def test_the_page_decides_as_python_does(
    name: str, browser: Browser, files: Path, dossiers: dict[str, Dossier]
) -> None:
    """After each of many drags and clicks the page says what Python decides from the
    answers that it shows: pattern, sentences, parts and the colour under the thumb."""
    browser.screen(1280, 900)
    browser.open(files / f"{name}.html")
    many = 160 if name == "conflict" else 70  # most moves of one answer leave a conflict one
    states = _ask(browser, f"moves({many})")
    start = dossiers[name].answers
    assert _answers(start, states[0]) == start
    assert states[-1] == states[0]
    patterns = set()
    for seen in states:
        answers = _answers(start, seen)
        decision = decide(answers)
        pattern = decision.pattern or "conflict"
        patterns.add(pattern)
        assert (seen["pattern"], seen["said"]) == (pattern, decision.pattern or "no pattern")
        assert sorted(map(tuple, seen["rulings"])) == sorted(
            (ruling.rule, ruling.because) for ruling in decision.rulings
        )
        choices = [part.choice.replace("_", " ") for part in decision.components.values()]
        assert seen["parts"] == choices
        catalog = answers.candidates.catalog
        if catalog is None or answers.candidates.per_request <= catalog:
            assert {text.rsplit(": ", 1)[1] for text in seen["painted"].values()} == {pattern}
    assert len(patterns) > 1
    assert browser.log == []


def test_the_file_says_what_the_script_says(browser: Browser, files: Path) -> None:
    """Cards, cells and parts are the same before the script has run: it only repeats them."""
    for name in CASES:
        browser.call("Emulation.setScriptExecutionDisabled", value=True)
        browser.open(files / f"{name}.html")
        before = _ask(browser, "written()")
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
        browser.open(files / f"{name}.html")
        assert _ask(browser, "written()") == before


@pytest.mark.parametrize("name", ["batch", "ranking", "rag", "conflict"])
def test_every_flip_can_be_tried(
    name: str, browser: Browser, files: Path, dossiers: dict[str, Dossier]
) -> None:
    """The button beside each flip moves the answers there, and the page decides as foretold."""
    browser.open(files / f"{name}.html")
    found = browser.evaluate(
        """[...document.querySelectorAll(".flips .try")].map((button) => {
          button.click();
          return document.getElementById("decision").dataset.pattern;
        })"""
    )
    every = flips(dossiers[name].answers)
    ordered = [one for one in every if len(one.answers) == 1]
    ordered += [one for one in every if len(one.answers) > 1]
    assert found == [one.pattern or "conflict" for one in ordered]
    assert found


def test_a_conflict_shows_its_ways_out(
    browser: Browser, files: Path, dossiers: dict[str, Dossier]
) -> None:
    """Each smallest set is named with its sentences, and each way out leads to its pattern."""
    browser.open(files / "conflict.html")
    text = browser.evaluate("document.getElementById('conflict').textContent")
    for conflict in dossiers["conflict"].conflicts:
        for sentence in (*conflict.answers, *conflict.because):
            assert sentence in text
    assert _ask(browser, "led()") is True


def _place(browser: Browser, key: str) -> tuple[float, float, float]:
    """Left, width and middle height of a slider in the window, scrolled into it."""
    found = browser.evaluate(
        f"""(() => {{
          document.documentElement.style.scrollBehavior = "auto";
          const track = document.getElementById("a-{key}").querySelector(".track");
          track.scrollIntoView({{ block: "center" }});
          const box = track.getBoundingClientRect();
          return [box.left, box.width, box.top + box.height / 2];
        }})()"""
    )
    return found[0], found[1], found[2]


def _typed(browser: Browser, key: str) -> str:
    value = browser.evaluate(f"document.getElementById('a-{key}').querySelector('.typed').value")
    return str(value)


def test_a_mouse_drags_an_answer_across_its_flip(browser: Browser, files: Path) -> None:
    """Pressed, moved and released, the p99 goes below what holds, and the page says conflict."""
    browser.screen(1280, 900)
    browser.open(files / "ranking.html")
    left, wide, y = _place(browser, "latency.p99")
    start = _ask(browser, "slider('latency.p99').valueAsNumber / 10000")
    browser.mouse(
        ("mousePressed", left + start * wide, y),
        ("mouseMoved", left + 0.2 * wide, y),
        ("mouseMoved", left + 3, y),
    )
    assert browser.evaluate("document.getElementById('decision').dataset.pattern") == "conflict"
    browser.mouse(("mouseReleased", left + 3, y))
    assert browser.evaluate("document.getElementById('moved').hidden") is False
    assert "--what-if latency.p99=" in browser.evaluate(
        "document.querySelector('[data-live=command]').textContent"
    )
    assert browser.evaluate("document.querySelectorAll('[data-rule].come').length") > 0
    browser.evaluate("document.getElementById('reset').click()")
    assert browser.evaluate("document.getElementById('decision').dataset.pattern") == "ranking"
    assert browser.evaluate("document.getElementById('moved').hidden") is True


def test_a_finger_drags_an_answer(browser: Browser, files: Path) -> None:
    """A touch on the scale of a phone moves the answer."""
    browser.screen(360, 800, phone=True)
    browser.open(files / "batch.html")
    left, wide, y = _place(browser, "freshness.predictions")
    at = _ask(browser, "slider('freshness.predictions').valueAsNumber / 10000")
    browser.touch(
        ("touchStart", left + at * wide, y),
        ("touchMove", left + 0.5 * at * wide, y),
        ("touchMove", left + 4, y),
        ("touchEnd", 0, 0),
    )
    moved = _typed(browser, "freshness.predictions")
    assert FIELDS["freshness.predictions"].kind.read(moved) < 24 * 3600 * 10**6
    assert browser.evaluate("document.getElementById('decision').dataset.pattern") == "realtime"


def test_the_keyboard_goes_from_flip_to_flip(browser: Browser, files: Path) -> None:
    """Arrows move an answer by round steps, page up and down to the exact points of change."""
    browser.screen(1280, 900)
    browser.open(files / "batch.html")
    _ask(browser, "slider('freshness.features').focus()")
    browser.press("ArrowRight")
    kind = FIELDS["freshness.features"].kind
    assert kind.read(_typed(browser, "freshness.features")) > DAY
    browser.press("ArrowLeft")
    browser.press("PageDown")
    [flip] = [
        one
        for one in flips(given_answers(**CASES["batch"]))
        if one.answers == ("freshness.features",)
    ]
    assert kind.read(_typed(browser, "freshness.features")) == flip.after[0]
    assert browser.evaluate("document.getElementById('decision').dataset.pattern") == flip.pattern
    browser.press("PageUp")
    assert kind.read(_typed(browser, "freshness.features")) == flip.after[0] + 1


def test_typed_values_are_read_as_the_file_reads_them(browser: Browser, files: Path) -> None:
    """A value is taken exactly, and one that the file refuses says the rule and changes nothing."""
    browser.open(files / "realtime.html")
    put = """((key, said) => {
      const input = document.getElementById(`a-${key}`).querySelector(".typed");
      input.value = said;
      input.dispatchEvent(new Event("change"));
      return document.getElementById(`a-${key}`).querySelector(".wrong").textContent;
    })"""
    assert browser.evaluate(f"{put}('latency.p99', '123.456ms')") == ""
    assert _typed(browser, "latency.p99") == "123.456ms"
    assert "such as 100ms" in browser.evaluate(f"{put}('latency.p99', 'soon')")
    assert browser.evaluate(f"{put}('candidates.per_request', '1_000_000')") == ""
    assert browser.evaluate("document.getElementById('decision').dataset.pattern") == "conflict"
    command = browser.evaluate("document.querySelector('[data-live=command]').textContent")
    assert command == (
        "groundplan plan --what-if latency.p99=123.456ms "
        "--what-if candidates.per_request=1_000_000 --out plan.html"
    )


def test_a_link_keeps_the_answers(browser: Browser, files: Path) -> None:
    """The address holds what was moved, so that a colleague sees the same."""
    browser.open(files / "batch.html", "#freshness.predictions=10m&interpretability.level=audit")
    assert browser.evaluate("document.getElementById('decision').dataset.pattern") == "realtime"
    browser.evaluate(
        "document.getElementById('a-labels.kind').querySelectorAll('input')[1].click()"
    )
    browser.evaluate("new Promise((done) => setTimeout(done, 400))")
    assert browser.evaluate("location.hash") == (
        "#labels.kind=implicit&freshness.predictions=10m&interpretability.level=audit"
    )


# Who can read it.


@pytest.mark.parametrize("name", [name for name in CASES if name != "conflict"])
def test_no_text_of_a_drawing_meets_another(name: str, browser: Browser, files: Path) -> None:
    """Wide and tall: texts stay in their boxes, off each other, and off every line."""
    for size, phone in (((1280, 900), False), ((360, 800), True)):
        browser.screen(*size, phone=phone)
        browser.open(files / f"{name}.html")
        assert _ask(browser, "overlaps()") == []
        assert browser.evaluate(
            "document.querySelectorAll('svg.drawing .stage').length"
        ) == 2 * len(draw(given_answers(**CASES[name])).stages)


def test_texts_are_measured_as_no_narrower_than_they_are(browser: Browser, files: Path) -> None:
    """The widths of our own table bound what the browser draws, in plain and bold."""
    samples = ["an OpenAI-compatible server", "msgspec, a type generated from the source", "MWmw@%"]
    samples += ["The quick brown fox jumps over the lazy dog", "0123456789.5ms", "LMDB in process"]
    browser.open(files / "realtime.html")
    for text in samples:
        for bold in (False, True):
            drawn = browser.evaluate(
                f"""(() => {{
                  const context = document.createElement("canvas").getContext("2d");
                  context.font = "{"bold " if bold else ""}20px 'DejaVu Sans', Verdana, sans-serif";
                  return context.measureText({msgspec.json.encode(text).decode()}).width;
                }})()"""
            )
            assert drawn <= width(text, 20, bold=bold) * 1.01


@pytest.mark.parametrize("name", CASES)
def test_a_phone_never_scrolls_sideways(name: str, browser: Browser, files: Path) -> None:
    """At 360 pixels the page is 360 pixels wide, as filed and with an answer moved."""
    browser.screen(360, 800, phone=True)
    for fragment in ("", "#latency.p99=3ms&policy.hosts=3"):
        browser.open(files / f"{name}.html", fragment)
        assert browser.evaluate("document.documentElement.scrollWidth") == 360
        assert browser.evaluate("innerWidth") == 360


@pytest.mark.parametrize("name", ["realtime", "batch", "ranking", "rag", "conflict"])
def test_contrast_is_aa_in_light_and_dark(name: str, browser: Browser, files: Path) -> None:
    """Every visible text, in the drawings too, stands out from its ground by 4.5 to 1."""
    browser.screen(1280, 900)
    for dark in (False, True):
        browser.media(dark=dark)
        browser.open(files / f"{name}.html", "#latency.p99=3ms&freshness.predictions=24h")
        browser.evaluate("Promise.all(document.getAnimations().map((one) => one.finished))")
        assert _ask(browser, "contrast()") == []
    browser.media()


@pytest.mark.parametrize("name", CASES)
def test_everything_to_operate_has_a_name(name: str, browser: Browser, files: Path) -> None:
    """Who cannot see the page is told what each scale, field, choice, button and picture is."""
    browser.screen(1280, 900)
    browser.open(files / f"{name}.html")
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    roles = {
        "slider",
        "textbox",
        "radio",
        "radiogroup",
        "button",
        "image",
        "table",
        "link",
    }
    nameless = [
        node["role"]["value"]
        for node in nodes
        if not node.get("ignored")
        and node["role"]["value"] in roles
        and not node.get("name", {}).get("value", "").strip()
    ]
    assert nameless == []
    sliders = [node for node in nodes if node["role"]["value"] == "slider"]
    shown = [key for key in DOMAINS if not DOMAINS[key].values]
    assert len(sliders) in {len(shown), len(shown) - 1}  # the age of knowledge is of answers only


def test_print_is_light_and_opens_every_fold(browser: Browser, files: Path, tmp_path: Path) -> None:
    """On paper nothing is to be clicked, nothing is folded, and a dark screen prints light."""
    browser.screen(690, 1000)
    browser.media(dark=True, printed=True)
    browser.open(files / "ranking.html")
    assert (
        browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    )
    assert browser.evaluate(
        "[...document.querySelectorAll('.tools, .try, nav')].every((one) => !one.checkVisibility())"
    )
    browser.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert browser.evaluate("document.querySelectorAll('details:not([open])').length") == 0
    assert browser.evaluate("document.documentElement.scrollWidth") == 690
    browser.media()
    browser.print(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")


# What it shows.


@pytest.mark.parametrize("name", CASES)
def test_the_page_holds_the_whole_dossier(
    name: str, files: Path, dossiers: dict[str, Dossier]
) -> None:
    """Every stage, failure, watch, limit and decision of the dossier stands in the page."""
    text = re.sub(r"<wbr>|</?code>", "", (files / f"{name}.html").read_text(encoding="utf-8"))
    plain = re.sub(r"&(quot|#x27|lt|gt|amp);", lambda m: _PLAIN[m[1]], text)
    dossier = dossiers[name]
    plan = dossier.plan
    said = [ruling.because for ruling in dossier.decision.rulings]
    said += [part.because for part in dossier.decision.components.values()]
    said += [one for fail in dossier.failures for one in (fail.cause, fail.seen, fail.signal)]
    said += [limit.because for one in dossier.growth for limit in one.limits[:1] if limit.factor]
    said += [need.because for need in dossier.capacity.needs] if dossier.capacity else []
    if plan is not None:
        said += [one for stage in plan.stages for one in (stage.does, stage.at_scale, stage.breaks)]
        said += [stage.fallback.says for stage in plan.online]
        said += [watch.signal for watch in plan.monitoring]
        said += [*plan.summary, plan.retraining.cadence, *plan.retraining.triggers]
    missing = [one for one in said if one.replace("`", "") not in plain]
    assert missing == []


_PLAIN: Final = {"quot": '"', "#x27": "'", "lt": "<", "gt": ">", "amp": "&"}


def test_what_is_only_planned_says_so(files: Path) -> None:
    """Ranking and rag, and answers without retrieval, are called plans; the others are not."""
    notices = {
        name: "A plan only." in (files / f"{name}.html").read_text(encoding="utf-8")
        for name in CASES
    }
    built = {"realtime", "batch", "conflict"}
    assert notices == {name: name not in built for name in CASES}


def test_a_dossier_without_capacity_is_a_page(dossiers: dict[str, Dossier]) -> None:
    """Where capacity, growth and failures are not known, the page goes without them."""
    bare = msgspec.structs.replace(dossiers["batch"], capacity=None, growth=(), failures=())
    text = page(bare)
    assert 'id="capacity"' not in text
    assert 'href="#capacity"' not in text
    assert bare.plan is not None
    assert bare.plan.risks[0].risk in text


def test_a_stage_that_does_not_fit_is_marked(
    browser: Browser, dossiers: dict[str, Dossier], tmp_path: Path
) -> None:
    """In the drawing, in the bar and in words: which stage, by how much, and what would help."""
    plan = dossiers["rag"].plan
    assert plan is not None
    online, misfits = share(plan.online, plan.p99 // 6)
    tight = msgspec.structs.replace(
        plan,
        p99=plan.p99 // 6,
        headroom=plan.p99 // 6 - sum(stage.budget for stage in online),
        stages=(*plan.offline, *online),
        misfits=misfits,
    )
    file = tmp_path / "page.html"
    file.write_text(page(msgspec.structs.replace(dossiers["rag"], plan=tight)), encoding="utf-8")
    browser.screen(1280, 900)
    browser.open(file)
    assert misfits
    assert misfits[0].stage in browser.evaluate("document.querySelector('.misfits').textContent")
    assert browser.evaluate("document.querySelectorAll('.piece.ill').length") == len(misfits)
    assert browser.evaluate("document.querySelectorAll('svg.wide .stage.ill').length") == len(
        misfits
    )
    assert _ask(browser, "overlaps()") == []


@pytest.mark.parametrize("name", [name for name in CASES if name != "conflict"])
def test_the_calendar_understands_every_cadence(name: str, dossiers: dict[str, Dossier]) -> None:
    """A cadence is a period, or it waits for an event and says when."""
    plan = dossiers[name].plan
    assert plan is not None
    period = cadence(plan.retraining.cadence)
    assert (period is None) == plan.retraining.cadence.startswith("when")
    assert period is None or DAY <= period <= 90 * DAY


def test_lines_fit_and_lose_nothing() -> None:
    """A text is broken within its room, with every letter kept."""
    text = "an averyveryverylongwordindeed, then short ones; and groundplan_requests_total"
    for room in (40.0, 90.0, 200.0):
        broken = lines(text, 12, room)
        assert all(width(line, 12) <= room for line in broken)
        assert "".join(broken).replace(" ", "") == text.replace(" ", "")


def test_the_same_dossier_is_the_same_page(dossiers: dict[str, Dossier]) -> None:
    """Nothing of the clock or of chance is in the file."""
    assert page(dossiers["rag"]) == page(dossiers["rag"])
    assert value_of(dossiers["rag"].answers, "latency.streamed") is True
    assert set(KEYS) >= set(DOMAINS)

"""`groundplan ask`, in a terminal and through pipes."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import groundplan
from groundplan.constraints import load
from groundplan.constraints.question import ASKED
from groundplan.decision import decide
from groundplan.units import DAY, MILLISECOND
from terminals import Terminal, terminal

FEED = {
    "system.goal": "Show everybody a home feed",
    "system.output": "a list",
    "labels.kind": "clicks",
    "latency.p99": "half a second",
    "latency.throughput": "about 10 million a day",
    "freshness.predictions": "now",
    "freshness.features": "1s",
    "freshness.requests": "no",
    "candidates.per_request": "about 10 million",
    "interpretability.level": "nobody",
}
LINES = """\
card-fraud
Score every card transaction
score
explicit
0.8%
7 days
100ms
500

0s
no
"""


def piped(text: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "groundplan", "ask", *map(str, arguments)],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )


def sets(answers: dict[str, str]) -> list[str]:
    return [part for key, value in answers.items() for part in ("--set", f"{key}={value}")]


def report(*arguments: str | Path) -> tuple[dict[str, Any], int]:
    done = groundplan("ask", *arguments, "--json")
    return json.loads(done.stdout), done.returncode


def reply(one: Terminal, answers: dict[str, list[str]]) -> str:
    """Answer each question as it comes, Enter to the others; everything that was printed."""
    seen = ""
    left = {key: list(said) for key, said in answers.items()}
    asked = [a.key for a in ASKED if not a.answers_only or a.key in answers]
    for key in asked:
        for said in left.get(key) or [""]:
            seen += one.until(f"\n{key}")
            seen += one.until(": ")
            one.say(said)
    return seen + one.rest()


def test_a_conversation_writes_the_answers(tmp_path: Path) -> None:
    """Loose words in, a strict file out, with the decision and the next commands at the end."""
    with terminal("ask", tmp_path / "feed") as one:
        seen = reply(one, {key: [said] for key, said in FEED.items()})
        assert one.code == 0, seen
    answers = load(tmp_path / "feed" / "groundplan.toml")
    assert answers.system.name == "feed"
    assert answers.latency.p99 == 500 * MILLISECOND
    assert answers.latency.throughput == 115_740_740_741
    assert answers.candidates.per_request == 10_000_000
    assert decide(answers).pattern == "ranking"
    assert "batch is out: predictions may be at most 0s old" in seen
    assert "feed: ranking" in seen
    assert "ranking is planned only" in seen
    assert "groundplan decide" in seen
    assert [file.name for file in (tmp_path / "feed").iterdir()] == ["groundplan.toml"]


def test_every_question_teaches(tmp_path: Path) -> None:
    """The five questions in order, each with what it decides, why it matters and examples."""
    with terminal("ask", tmp_path / "feed") as one:
        seen = " ".join(reply(one, {key: [said] for key, said in FEED.items()}).split())
    places = [seen.index(f"{n}. ") for n in range(1, 6)]
    assert places == sorted(places)
    for asked in ASKED:
        if not asked.answers_only:
            assert asked.text in seen
            assert asked.why in seen
            assert all(said in seen for said, _ in asked.examples)


def test_not_knowing_opens_the_range(tmp_path: Path) -> None:
    """`?` shows what each possible answer would decide; Enter then assumes, and marks it."""
    said = {key: [one] for key, one in FEED.items()}
    said["latency.p99"] = ["?", ""]
    said["candidates.per_request"] = ["don't know", "300"]
    with terminal("ask", tmp_path / "feed") as one:
        seen = reply(one, said)
        assert one.code == 0, seen
    assert re.search(r"\nunder \d+us +a conflict", seen)
    assert "latency.p99 [assume 100ms]" in seen
    assert "or more" in seen.split("candidates.per_request")[1]
    assert 'latency.p99 = "100ms" is assumed' in seen
    text = (tmp_path / "feed" / "groundplan.toml").read_text()
    assert '"100ms"                 # assumed: ' in text
    assert load(tmp_path / "feed" / "groundplan.toml").latency.p99 == 100 * MILLISECOND


def test_a_conflict_is_told_when_it_comes(tmp_path: Path) -> None:
    """The answers that clash, the nearest change of each, and the way back to any of them."""
    said = {key: [one] for key, one in FEED.items()}
    with terminal("ask", tmp_path / "feed") as one:
        for key in ("system.name", "system.goal", "system.output", "labels.kind"):
            one.until(f"\n{key}")
            one.until(": ")
            one.say(said.get(key, [""])[0])
        for key, word in (("labels.positive_rate", ""), ("labels.delay", ""), ("latency.p99", "1")):
            one.until(f"\n{key}")
            one.until(": ")
            one.say(word and "100us")
        seen = one.until("Which one do you change? [go on]: ")
        assert "Nothing can be built that meets all of these" in seen
        assert re.search(r"\nlatency\.p99 +100us +\d+us", seen)
        one.say("goal")
        assert "write one of p99, or Enter" in one.until("? [go on]: ")
        one.say("p99")
        one.until("latency.p99 [100us]: ")
        one.say("50us")
        one.until("? [go on]: ")
        one.say("p99")
        one.until("latency.p99 [50us]: ")
        one.say("500ms")
        one.until("\nlatency.throughput: ")
        one.say("back system.goal")
        one.until("system.goal [Show everybody a home feed]: ")
        one.say("Show a feed")
        rest = [a.key for a in ASKED if not a.answers_only]
        for key in rest[rest.index("latency.throughput") :]:
            one.until(f"\n{key}")
            one.until(": ")
            one.say(said.get(key, [""])[0])
        one.rest()
        assert one.code == 0
    answers = load(tmp_path / "feed" / "groundplan.toml")
    assert answers.latency.p99 == 500 * MILLISECOND
    assert answers.system.goal == "Show a feed"


def test_an_answer_is_asked_for_in_its_own_words(tmp_path: Path) -> None:
    """What is assumed of a written text leaves patterns standing, and nothing asks about labels
    that are not there."""
    with terminal("ask", tmp_path / "tickets") as one:
        for key, word in (
            *(("system.name", ""), ("system.goal", "Answer"), ("system.output", "a text")),
            *(("labels.kind", "none"), ("latency.p99", "?"), ("latency.p99 [assume 2s]", "")),
        ):
            seen = one.until(f"\n{key}")
            assert "labels.delay" not in seen
            one.until(": ")
            one.say(word)
        seen = one.until("\nlatency.throughput: ")
        assert "standing: batch, realtime, rag" in seen
        one.interrupt()
        one.until("[y/N] ")
        one.say("n")
        one.rest()


def test_what_an_answer_still_decides_fits_the_answers(tmp_path: Path) -> None:
    """Once nothing can be computed ahead of time, no question says that it decides that."""
    said = {key: [one] for key, one in FEED.items()}
    said["freshness.features"] = ["?", "1s"]
    with terminal("ask", tmp_path / "feed") as one:
        seen = reply(one, said)
    told = " ".join(seen.split("freshness.features: ")[1].split("freshness.features [")[0].split())
    assert "whatever it is: " in told
    assert "it still decides whether features follow events" in told
    assert "ahead of time" not in told


def test_labels_that_are_not_there_have_no_delay(tmp_path: Path) -> None:
    """`--set` of their share is refused; a file that becomes one without labels loses it."""
    folder = tmp_path / "card-fraud"
    assert groundplan("new", folder, "--from", "fraud").returncode == 0
    refused = groundplan("ask", folder, "--set", "kind=none", "--set", "positive_rate=1%")
    assert refused.returncode == 1
    assert "there are no labels" in refused.stderr
    assert groundplan("ask", folder, "--set", "kind=none").returncode == 0
    answers = load(folder / "groundplan.toml")
    assert (answers.labels.positive_rate, answers.labels.delay) == (None, None)


def test_back_help_and_refusals(tmp_path: Path) -> None:
    """One can go back, ask for help and be misunderstood without losing anything."""
    said = {key: [one] for key, one in FEED.items()}
    said["labels.kind"] = ["help", "e", "clicks"]
    said["latency.p99"] = ["fast", "", "20ms"]
    said["candidates.catalog"] = ["5", "-"]
    with terminal("ask", tmp_path / "feed") as one:
        seen = ""
        for key in ("system.name", "system.goal", "system.output"):
            seen += one.until(f"\n{key}") + one.until(": ")
            one.say("back" if key == "system.output" else "something")
        seen += one.until("system.goal [something]: ")
        one.say("")
        asked = [a.key for a in ASKED if not a.answers_only][2:]
        for key in asked:
            for word in said.get(key, [""]):
                seen += one.until(f"\n{key}") + one.until(": ")
                one.say(word)
        seen += one.rest()
        assert one.code == 0, seen
    assert "what stands in brackets" in seen
    assert "it must be one of explicit, implicit, sparse, none" in seen
    assert "an answer is needed" in seen
    assert "cannot choose among more than the catalog" in seen
    assert load(tmp_path / "feed" / "groundplan.toml").system.goal == "something"


def test_stopping_writes_nothing_but_a_draft_on_request(tmp_path: Path) -> None:
    """Ctrl-C leaves the folder as it was; a draft that is kept is taken up the next time."""
    folder = tmp_path / "feed"
    with terminal("ask", folder) as one:
        one.until("system.name [feed]: ")
        one.interrupt()
        assert "nothing is written" in one.rest()
        assert one.code == 1
    assert not folder.exists()
    with terminal("ask", folder) as one:
        one.until("system.name [feed]: ")
        one.say("")
        one.until("system.goal: ")
        one.say("Show a feed")
        one.until("system.output: ")
        one.interrupt()
        one.until("[y/N] ")
        one.say("y")
        one.rest()
        assert one.code == 1
    assert [file.name for file in folder.iterdir()] == ["groundplan.draft.toml"]
    with terminal("ask", folder) as one:
        seen = reply(one, {key: [said] for key, said in FEED.items()} | {"system.goal": [""]})
        assert "taking up" in seen
        assert one.code == 0
    assert [file.name for file in folder.iterdir()] == ["groundplan.toml"]
    assert load(folder / "groundplan.toml").system.goal == "Show a feed"


def test_asking_again_offers_the_answers_that_are_there(tmp_path: Path) -> None:
    """Enter all the way through changes nothing, to the byte; other tables stay."""
    folder = tmp_path / "churn"
    assert groundplan("new", folder, "--from", "churn").returncode == 0
    before = (folder / "groundplan.toml").read_text()
    with terminal("ask", folder) as one:
        seen = reply(one, {})
        assert one.code == 0, seen
    assert (folder / "groundplan.toml").read_text() == before
    with terminal("ask", folder) as one:
        reply(one, {"latency.p99": ["100ms"]})
    assert (folder / "groundplan.toml").read_text() == before.replace('"50ms" ', '"100ms"')


def test_lines_through_a_pipe(tmp_path: Path) -> None:
    """One answer per line in the order of the questions; lines may name their key."""
    text = LINES + "1\n\naudit\nfeatures = hourly\n"
    done = piped(text.replace("500\n\n0s\n", "500\n0s\n"), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    answers = load(tmp_path / "groundplan.toml")
    assert answers.labels.delay == 7 * DAY
    assert answers.freshness.requests == "unforeseen"
    assert "card-fraud: realtime" in done.stdout
    assert "ranking is out: the output is a score" in done.stdout


def test_answers_from_a_file(tmp_path: Path) -> None:
    """TOML with loose words, and a whole file of another project with all its tables."""
    loose = tmp_path / "loose.toml"
    loose.write_text("\n".join(f'{key} = "{value}"' for key, value in FEED.items()))
    found, code = report(tmp_path / "feed", "--from", loose)
    assert (code, found["pattern"]) == (0, "ranking")
    folder = tmp_path / "churn"
    assert groundplan("new", folder, "--from", "churn").returncode == 0
    source = folder / "groundplan.toml"
    found, code = report(tmp_path / "copy", "--from", source, "--set", "name=copy")
    assert (code, found["pattern"]) == (0, "batch")
    copy = (tmp_path / "copy" / "groundplan.toml").read_text()
    assert copy == source.read_text().replace('"churn"', '"copy"')


def test_options_answer_without_being_asked(tmp_path: Path) -> None:
    """`--set` for each answer; what changed what is in the JSON, sentence by sentence."""
    found, code = report(tmp_path / "feed", *sets(FEED))
    assert code == 0
    assert found["decided"] is True
    assert found["standing"] == ["ranking"]
    assert found["open"] == {}
    assert found["answers"]["latency.p99"] == "500ms"
    out = {name: one for step in found["steps"] for name, one in step["ruled_out"].items()}
    assert set(out) == {"batch", "realtime", "rag"}
    assert out["batch"][0]["rule"] == "batch-predictions"
    assert "10 million candidates" in out["realtime"][0]["because"]
    again, code = report(tmp_path / "feed", "--set", "per_request=300", "--set", "p99=1s")
    assert (code, again["pattern"]) == (0, "realtime")
    assert again["answers"]["latency.throughput"] == "10_000_000/d"


def test_what_is_missing_is_written_as_a_comment(tmp_path: Path) -> None:
    """The exit code is 1, and each open answer comes with what it still decides."""
    some = {key: value for key, value in FEED.items() if key != "candidates.per_request"}
    found, code = report(tmp_path / "feed", *sets(some | {"latency.p99": "?"}))
    assert code == 1
    assert set(found["open"]) == {"latency.p99", "candidates.per_request"}
    spans = found["open"]["candidates.per_request"]
    assert (spans[0]["from"], spans[-1]["to"]) == (1, 10**15)
    assert {name for span in spans for name in span["outcomes"]} == {"realtime", "ranking", None}
    text = (tmp_path / "feed" / "groundplan.toml").read_text()
    assert "\n# p99 = " in text
    assert "# open: " in text
    refused = groundplan("decide", tmp_path / "feed")
    assert "latency.p99 is missing" in refused.stderr
    shown = groundplan("ask", tmp_path / "feed", "--set", "p99=?")
    assert "candidates.per_request is open" in shown.stdout
    assert "Not decided yet" in shown.stdout


def test_a_conflict_is_the_honest_no(tmp_path: Path) -> None:
    """Exit code 2, the answers that cannot hold together, and where the ways out are shown."""
    done = groundplan("ask", tmp_path / "feed", *sets(FEED | {"latency.p99": "1ms"}))
    assert done.returncode == 2
    assert "These cannot hold together" in done.stdout
    assert "Any one of these changes resolves it" in done.stdout
    assert "the nearest ways out" in done.stdout
    assert groundplan("decide", tmp_path / "feed").returncode == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--set", "latency.p99=fast"], "latency.p99 = fast: a duration is a number"),
        (["--set", "latency.p90=1s"], "latency.p90: no question asks for that; write latency.p99"),
        (["--set", "latency.p99"], "write for instance latency.p99=100ms"),
        (["--set", "output=score", "--set", "knowledge=1h"], 'for output = "answer" only'),
        (["--set", "per_request=20", "--set", "catalog=10"], "more than the catalog"),
        (["--from", "nowhere.txt"], "nowhere.txt: cannot be read"),
    ],
)
def test_what_cannot_be_taken_changes_nothing(
    tmp_path: Path, arguments: list[str], says: str
) -> None:
    """The message names the value, the rule and the nearest form; no file appears or changes."""
    done = groundplan("ask", tmp_path / "new", *arguments)
    assert done.returncode == 1
    assert says in done.stderr
    assert not (tmp_path / "new").exists()


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    """Three wrong answers are three lines."""
    wrong = {"latency.p99": "fast", "labels.kind": "e", "candidates.per_request": "2.5"}
    done = groundplan("ask", tmp_path / "new", *sets(wrong))
    assert len(done.stderr.splitlines()) == 3


def test_a_file_that_is_not_toml_is_left_alone(tmp_path: Path) -> None:
    """It is named with its line, and stays as it is."""
    file = tmp_path / "groundplan.toml"
    file.write_text("[system\n")
    done = groundplan("ask", tmp_path, "--set", "p99=1s")
    assert done.returncode == 1
    assert "not TOML" in done.stderr
    assert file.read_text() == "[system\n"


def test_answers_that_break_the_schedule_are_refused(tmp_path: Path) -> None:
    """A promise tighter than the runs are apart: the file says why, and stays as it is."""
    folder = tmp_path / "churn"
    assert groundplan("new", folder, "--from", "churn").returncode == 0
    before = (folder / "groundplan.toml").read_text()
    done = groundplan("ask", folder, "--set", "predictions=hourly")
    assert done.returncode == 1
    assert "its runs are up to 12h apart" in done.stderr
    assert (folder / "groundplan.toml").read_text() == before

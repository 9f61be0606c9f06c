"""Calibrating with a model of the user's own: whose figures they are, and what is no model."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from groundplan.cli import main
from groundplan.decision import Costs, reference_costs
from groundplan.decision.calibrated import footer, own
from groundplan.errors import EngineError, GroundplanError, ProjectError
from groundplan.practice.calibrate import calibrate, calibration, compare, models
from groundplan.practice.calibrate import folder as folders
from groundplan.practice.calibrate.calibration import MEASURES, _kept
from groundplan.practice.calibrate.generation import AFTER, generation
from groundplan.practice.calibrate.measure import Clock, Timing
from groundplan.practice.calibrate.model import Model, Steps, largest
from groundplan.practice.calibrate.serialisation import json_in

QUIET = Clock(0.01)


def silent(step: str, done: int, total: int) -> None:
    """Reports to nobody."""


def folder(path: Path, architecture: str, weights: str = "model.safetensors") -> Path:
    """What looks like a Hugging Face folder from outside."""
    path.mkdir()
    (path / "config.json").write_text(json.dumps({"architectures": [architecture]}))
    (path / weights).touch()
    return path


def fixed(one: Model, clock: Clock) -> Steps:
    """Figures that are known beforehand."""
    timing = Timing(2_500.0, 2_000.0, 3_000.0)
    return dict.fromkeys(one.rows, (f"a step of {one.name}", timing))


TINY = Model("tiny", Path("tiny"), ("token", "prompt_token"), fixed)


@pytest.fixture
def libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that reads models is installed."""
    for name in ("torch", "transformers", "llama_cpp"):
        monkeypatch.setitem(sys.modules, name, None)


# What is no model


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "is not there"),
        (lambda path: path.write_text("text"), "is no model"),
        (lambda path: path.mkdir(), "has no config.json"),
        (lambda path: folder(path, "T5ForConditionalGeneration"), "is a T5ForConditional"),
        (lambda path: folder(path, "GPT2LMHeadModel", "pytorch_model.bin"), "no .*safetensors"),
        (lambda path: (folder(path, "") / "config.json").write_text("{}"), "no architecture"),
        (lambda path: (folder(path, "") / "config.json").write_text("[1"), "no architecture"),
    ],
)
def test_what_is_no_model_is_refused(tmp_path: Path, make: Any, message: str) -> None:
    """By name and with what would be one, whether or not a library is there to read it."""
    make(tmp_path / "thing")
    with pytest.raises(ProjectError, match=f"thing.*{message}"):
        models([tmp_path / "thing"])


def test_a_model_that_does_not_fit_into_memory_is_refused(tmp_path: Path) -> None:
    """Before it is loaded: the system would end the process."""
    large = folder(tmp_path / "large", "LlamaForCausalLM")
    os.truncate(large / "model.safetensors", 2**42)  # sparse: it takes no disk
    with pytest.raises(ProjectError, match=r"large has 4,398\.0 GB of weights"):
        models([large])


def test_a_model_in_a_cache_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hugging Face names the folder by a revision, which says nothing to anybody."""
    monkeypatch.setattr(folders, "_NEEDS", ())  # nothing is loaded
    snapshots = tmp_path / "models--BAAI--bge-small-en" / "snapshots"
    snapshots.mkdir(parents=True)
    found = models([folder(snapshots / "5c38ec7c405e", "BertModel")])
    assert [(one.name, one.rows) for one in found] == [("bge-small-en", ("encoder",))]


@pytest.mark.usefixtures("libraries")
def test_what_reads_a_model_is_named_where_it_is_missing(tmp_path: Path) -> None:
    """With the line that installs it."""
    with pytest.raises(EngineError, match="pip install torch transformers"):
        models([folder(tmp_path / "gpt2", "GPT2LMHeadModel")])
    (tmp_path / "model.gguf").write_bytes(b"GGUF and more")
    with pytest.raises(EngineError, match="pip install llama-cpp-python"):
        models([tmp_path / "model.gguf"])


@pytest.mark.usefixtures("libraries")
def test_the_command_says_what_is_wrong_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an error, before anything is measured."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")  # the command sets them, and this puts them back
    for path in (tmp_path / "nowhere", folder(tmp_path / "gpt2", "GPT2LMHeadModel")):
        found = CliRunner().invoke(main, ["calibrate", "--model", str(path)])
        assert (found.exit_code, found.stdout) == (1, "")
        assert found.stderr.startswith(f"error: {path}")
    assert own() is None


# Whose figures they are


def test_a_models_rows_say_whose_they_are() -> None:
    """In the table, in its name, which every decision and plan prints, and beside the reference."""
    costs = calibrate(silent, (), 0.01, None, [TINY])
    assert costs.name == (
        "your calibration (2 of 19 rows; the others from the reference; "
        "token, prompt_token by tiny)"
    )
    assert costs.us("token") == 2_500
    assert costs.rows["token"].model == "tiny"
    assert costs.rows["token"].source is None
    assert costs.us("http") == reference_costs().us("http")
    assert "token, prompt_token by tiny" in footer(costs)[0]
    lines = {line.row: line for line in compare(costs, reference_costs())}
    assert lines["token"].why == "by tiny, a model of your own"
    assert lines["token"].ratio == 2_500 / reference_costs().us("token")
    copied = msgspec.json.decode(msgspec.json.encode(costs), type=Costs)
    assert copied.rows == costs.rows


def test_a_models_rows_stay_until_they_are_named() -> None:
    """Through other rows and a new version; on another machine they say nothing."""
    costs = calibrate(silent, (), 0.01, None, [TINY])
    again = calibrate(silent, ["json_in"], 0.01, costs)
    assert again.rows["token"] == costs.rows["token"]
    assert again.rows["json_in"].model == ""
    assert set(_kept(again, every=True)[0]) == {"token", "prompt_token", "json_in"}
    assert set(_kept(again, every=False)[0]) == {"token", "prompt_token"}
    newer = msgspec.structs.replace(again, package="0.0.1")
    assert set(_kept(newer, every=True)[0]) == {"token", "prompt_token"}
    elsewhere = msgspec.structs.replace(again, processor="an abacus")
    assert _kept(elsewhere, every=True)[0] == {}
    other = TINY._replace(name="other", rows=("prompt_token",))
    both = calibrate(silent, (), 0.01, again, [other])
    assert "token by tiny; prompt_token by other" in both.name
    public = calibrate(silent, ["token"], 0.01, again)
    assert public.rows["token"].model == ""
    assert public.rows["prompt_token"].model == "tiny"


def test_measuring_all_leaves_a_models_rows_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the user has named is not silently replaced by a public size."""
    costs = calibrate(silent, (), 0.01, None, [TINY])
    token = next(one for one in MEASURES["networks"] if one.row == "token")
    never = token._replace(run=lambda clock: pytest.fail("it was measured again"), needs=())
    all_of_it = {"requests": (json_in,), "networks": (never,)}
    monkeypatch.setattr(calibration, "MEASURES", all_of_it)
    again = calibrate(silent, (), 0.01, costs)
    assert again.rows["token"] == costs.rows["token"]
    assert again.rows["json_in"].source is None
    assert "token, prompt_token by tiny" in again.name


@pytest.mark.parametrize("error", [RuntimeError("a shape\nis wrong"), KeyError("weight")])
def test_a_model_that_fails_is_named(error: Exception) -> None:
    """Nothing stands in for a model that the user asked for."""

    def run(one: Model, clock: Clock) -> Steps:
        raise error

    with pytest.raises(GroundplanError, match=r"tiny cannot be measured: (a shape;|'weight';)"):
        calibrate(silent, (), 0.01, None, [TINY._replace(run=run)])


# How a decoder is measured


class Counting:
    """A decoder that only counts what it has."""

    def __init__(self, known: int, context: int) -> None:
        self.known, self.context = known, context
        self.has = self.most = self.read_at_most = 0

    def read(self, tokens: list[int]) -> None:
        self.has = 0
        self.read_at_most = max(self.read_at_most, len(tokens))
        self._take(tokens)

    def write(self, token: int) -> None:
        self._take([token])

    def _take(self, tokens: list[int]) -> None:
        assert all(0 <= token < self.known for token in tokens)
        self.has += len(tokens)
        self.most = max(self.most, self.has)


@pytest.mark.parametrize(("context", "length"), [(1_024, 512), (512, 256), (100, 64), (40, 1)])
def test_a_decoder_reads_what_it_can_hold(context: int, length: int) -> None:
    """The longest prompt that leaves room for what is generated; never more than the context."""
    decoder = Counting(50, context)
    steps = generation(decoder, "it", QUIET)
    assert decoder.read_at_most == length
    assert decoder.most == length + AFTER <= context
    assert f"after {length} to {length + AFTER} cached" in steps["token"][0]
    assert f"a prompt of {length} read by it" in steps["prompt_token"][0]


def test_a_slow_call_is_made_smaller() -> None:
    """What should take longer than patience lasts is not tried."""
    called: list[int] = []

    def call(size: int) -> None:
        called.append(size)
        until = time.thread_time() + 0.02
        while time.thread_time() < until:
            pass

    assert largest(call, (1, 10, 10_000)) == 10
    assert called == [1, 1]


# Real ones


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small decoder, encoder and cross-encoder with random weights."""
    why = "reads the models: pip install torch transformers"
    pytest.importorskip("torch", reason=f"PyTorch {why}")
    transformers: Any = pytest.importorskip("transformers", reason=f"Transformers {why}")
    place = tmp_path_factory.mktemp("models")
    decoder = transformers.GPT2Config(
        n_layer=2, n_embd=32, n_head=2, n_positions=64, vocab_size=100
    )
    transformers.GPT2LMHeadModel(decoder).save_pretrained(place / "decoder")
    encoder = transformers.BertConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        vocab_size=100,
        num_labels=1,
    )
    transformers.BertModel(encoder).save_pretrained(place / "encoder")
    transformers.BertForSequenceClassification(encoder).save_pretrained(place / "cross-encoder")
    return place


def test_folders_are_measured(saved: Path) -> None:
    """Each for its rows, described by its class, size and precision."""
    found = models([saved / "decoder", saved / "encoder", saved / "cross-encoder"])
    costs = calibrate(silent, (), 0.01, None, found)
    by = {row: cost for row, cost in costs.rows.items() if cost.model}
    assert {row: cost.model for row, cost in by.items()} == {
        "encoder": "encoder",
        "pair": "cross-encoder",
        "token": "decoder",
        "prompt_token": "decoder",
    }
    assert "GPT2LMHeadModel, 0.0" in by["token"].what
    assert "million weights, float32, transformers" in by["encoder"].what
    with pytest.raises(ProjectError, match="both measured for token"):
        models([saved / "decoder", saved / "decoder"])


def test_weights_that_cannot_be_read_are_named(saved: Path, tmp_path: Path) -> None:
    """A broken download is an error, not a figure of random weights."""
    broken = folder(tmp_path / "broken", "GPT2LMHeadModel")
    (broken / "config.json").write_bytes((saved / "decoder" / "config.json").read_bytes())
    with pytest.raises(EngineError, match=r"broken cannot be measured"):
        calibrate(silent, (), 0.01, None, models([broken]))

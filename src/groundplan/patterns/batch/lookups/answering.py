"""The online flow: parse the key, look its answer up, log what was answered."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from msgspec import UNSET, Struct, UnsetType

from groundplan.errors import BuildError, InputError
from groundplan.patterns.batch.lookups.answers import MOST, Answer, Answers, Asked
from groundplan.patterns.batch.lookups.cold import OnDemand, average, text_of
from groundplan.patterns.batch.lookups.lookup import age_us, all_typed, read, typed
from groundplan.plan import Plan, Stage
from groundplan.scores.scored import Live, Scored
from groundplan.scores.store import ScoreStore
from groundplan.serving.breaker import Breaker
from groundplan.serving.http import Call
from groundplan.serving.log import Log, Lookup
from groundplan.serving.stages import Pipeline, Refused, Step, Trace, refuse
from groundplan.units import HOUR, MINUTE, SECOND, show_duration

_encode: Final = msgspec.json.Encoder().encode
_asked: Final = msgspec.json.Decoder(Asked).decode
_FIELD: Final = re.compile(r"`\$\.?([^`]*)`$")


class _Request(Struct, gc=False):
    """One request on its way: each stage fills in its part."""

    call: Call
    many: bool
    trace: Trace
    keys: Sequence[int | str] = ()
    segment: str | None = None
    rows: Mapping[str, Mapping[str, Any]] = {}
    live: Live = None  # type: ignore[assignment]  # until it is looked up, as the next
    found: Sequence[Scored] = ()
    now: int = 0
    """When the answers were found, us since 1970: their age is that of this moment."""


class Answering:
    """Answers requests from published scores.

    Args:
        plan: names the stages, their budgets and their fallbacks.
        store: of published scores.
        written: the prediction log.
        segment: the field whose value gives a cold key its segment's average; None without.
        breaker: around a store on another server; None where it is embedded.

    Raises:
        BuildError: the plan names a stage or a fallback that this server does not know.
    """

    def __init__(
        self,
        plan: Plan,
        store: ScoreStore,
        written: Log,
        segment: str | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        self.store = store
        self.log = written
        self.segment = segment
        self.model: OnDemand | None = None
        """Scores rows that come with a request; None where it cannot."""
        self.last: Live | None = None
        """The version as it was last seen; None before the first."""
        self.budget = plan.stage("lookup").budget
        """us that a lookup has, and with it a live score."""
        self._breaker = breaker
        self._shown: tuple[int, str] = (0, shown(0))
        self.pipeline = Pipeline(plan, {stage.name: self._step(stage) for stage in plan.online})

    def get(self, call: Call) -> tuple[bytes, Trace, Scored]:
        """Answer for the key in the path.

        Returns:
            The answer as JSON, what became of the stages, and what was found.

        Raises:
            InputError: the key is not of the version's type, or the query is not known.
            Refused: nothing was published yet, or there was no time to begin.
        """
        trace = Trace()
        request = _Request(call, False, trace)
        self.pipeline.run(request, trace, call.started_ns, call.timeout_us)
        (answer,) = self._answers(request, trace.timings)
        return _encode(answer), trace, request.found[0]

    def get_many(self, call: Call) -> tuple[bytes, Trace, Sequence[Scored]]:
        """Answer for the keys of a body, all from one version; raises what `get` does.

        Raises:
            InputError: the body is not what `Asked` says.
        """
        trace = Trace()
        request = _Request(call, True, trace)
        self.pipeline.run(request, trace, call.started_ns, call.timeout_us)
        body = _encode(Answers(self._answers(request), trace.timings))
        return body, trace, request.found

    def ready(self) -> Live:
        """The version that answers, once the store has answered; it may take its time.

        Raises:
            EngineError: there is none yet, or the store cannot be read.
        """
        if self._breaker is not None:
            self.store.live()  # goes to the server, which `current` need not
        return self.store.current()

    def _step(self, stage: Stage) -> Step[_Request]:
        """What a stage of the plan runs, and the fallback that the plan names for it."""
        runs: dict[str, Callable[[_Request], None]] = {
            "validate": self._validate,
            "lookup": self._look,
            "log": self._log,
        }
        fallbacks: dict[tuple[str, str], Callable[[_Request], None]] = {
            ("lookup", "defaults"): self._look_nowhere,
            ("log", "skip"): self._log_skipped,
        }
        action = stage.fallback.action
        if stage.name in runs and action == "refuse":
            return Step(runs[stage.name], refuse(stage.name))
        try:
            return Step(runs[stage.name], fallbacks[stage.name, action])
        except KeyError:
            raise BuildError(
                f"the plan has a stage {stage.name} with the fallback {action}, which a server of "
                "published scores does not know: serve with the version that decided it"
            ) from None

    # The stages, in the order of the plan.

    def _validate(self, request: _Request) -> None:
        call = request.call
        if not request.many:
            request.keys = (call.path["key"],)
            if call.query:
                request.segment = self._segment(call.query)
            return
        asked = _decoded(call.body)
        request.keys, request.rows = asked.keys, asked.rows
        if request.rows:
            known = {str(key) for key in asked.keys}
            for name in request.rows:
                if name not in known:
                    raise InputError(f"rows.{name}", f"{name!r} has a row, and is none of the keys")

    def _look(self, request: _Request) -> None:
        if self._breaker is None:
            self._read(request)
        else:
            self._breaker.call(self._read, request)
        self.last = request.live
        self._look_at_age(request)

    def _read(self, request: _Request) -> None:
        store, keys = self.store, request.keys
        if request.many:
            keys = all_typed(keys, store.current())
        else:
            (asked,), last = keys, self.last
            # Mostly that one answers; if it does no more, a text is not found among integers.
            texts = last is not None and last.version.key == "str"
            one = store.get(asked if texts else typed(asked, store.current()))
            if one is not None:
                request.live, request.found = one.of, (one,)
                return
            keys = (typed(asked, store.current()),)
            if asked == "" or "\ufffd" in str(asked):  # nobody is called so, or would be scored
                raise InputError("key", f"key is {asked!r}: end the path with a key, in UTF-8")
        request.live, found = read(store, keys)
        request.found = [
            self._cold(request, key, asked) if one is None else one
            for one, key, asked in zip(found, keys, request.keys, strict=True)
        ]

    def _look_nowhere(self, request: _Request) -> None:
        """The answers of cold keys, by the version that was last seen."""
        live = self.last
        if live is None:
            raise Refused("no scores can be read yet: `groundplan score` publishes them")
        request.live = live
        request.found = [self._average(request, typed(k, live), k) for k in request.keys]
        self._look_at_age(request)

    def _look_at_age(self, request: _Request) -> None:
        live, request.now = request.live, time.time_ns() // 1_000
        if live.promised is not None and request.now - live.version.as_of > live.promised:
            request.trace.degraded.append(overdue(live))

    def _cold(self, request: _Request, key: int | str, asked: int | str) -> Scored:
        """The answer for a key that was not scored."""
        live, model, fields = request.live, self.model, request.rows.get(str(asked))
        if fields and model is not None and model.build == live.version.build:
            model.check(key, fields)
            if model.takes(fields) and model.us < request.trace.left_us:
                return model.score(live, key, fields)
        return self._average(request, key, asked)

    def _average(self, request: _Request, key: int | str, asked: int | str) -> Scored:
        """The average of the segment that the request names for a key, or of all."""
        segment, fields = request.segment, request.rows.get(str(asked))
        if fields and self.segment:
            segment = text_of(fields.get(self.segment))
        if request.live.version.segment not in (None, self.segment):
            segment = None  # its averages are of another field, which system.py named before
        return average(request.live, key, segment)

    def _log(self, request: _Request) -> None:
        version, trace, segment = request.live.version, request.trace, request.segment
        head, told = (request.now, version.name, version.build), (trace.timings, trace.degraded)
        named = b"" if segment is None else _encode({self.segment: segment})
        if not request.many:
            (one,) = request.found
            said = one.score, one.decision, one.fallback
            self.log.append(Lookup(*head, *said, *told, named, one.key))
            return
        rows, sent = [], request.rows
        for one, asked in zip(request.found, request.keys, strict=True):
            fields = sent.get(str(asked)) if sent else None
            event = named if fields is None else _encode(fields)
            said = one.score, one.decision, one.fallback
            rows.append(Lookup(*head, *said, *told, event, one.key))
        self.log.extend(rows)

    def _log_skipped(self, request: _Request) -> None:
        pass

    def _segment(self, query: bytes) -> str | None:
        """The segment that a query names.

        Raises:
            InputError: it names something else, or two.
        """
        known = f"there is {self.segment!r}" if self.segment else "there are none"
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        for name, _ in pairs:
            if name != self.segment:
                raise InputError(
                    name or "query", f"the parameter {name[:100]!r} is not known: {known}"
                )
        if len(pairs) > 1:
            raise InputError(pairs[0][0], f"{pairs[0][0]} stands {len(pairs)} times: give it once")
        return pairs[0][1] if pairs else None

    def _answers(
        self, request: _Request, timings: dict[str, int] | UnsetType = UNSET
    ) -> list[Answer]:
        """What is sent for each key; all are of one version."""
        live, degraded = request.live, request.trace.degraded
        version, promised = live.version, live.promised
        as_of, name, build = version.as_of, version.name, version.build
        if self._shown[0] != as_of:
            self._shown = as_of, shown(as_of)
        moment, age = self._shown[1], max(0, request.now - as_of)
        old = promised is not None and age > promised
        answers = []
        for one in request.found:
            answer = Answer(
                one.key,
                one.score,
                one.decision,
                one.reasons,
                name,
                build,
                moment,
                age / 1e6,
                old,
                one.fallback or None,
                degraded,
                timings,
            )
            answers.append(answer)
        return answers


def shown(us: int) -> str:
    """A moment as RFC 3339, UTC."""
    return datetime.fromtimestamp(us / 1e6, UTC).isoformat().replace("+00:00", "Z")


def overdue(live: Live) -> str:
    """How much older a version is than was promised."""
    age = age_us(live)
    unit = next((unit for unit in (HOUR, MINUTE) if age >= 2 * unit), SECOND)
    promised = show_duration(live.promised or 0)
    return f"scores: {show_duration(age // unit * unit)} old, promised {promised}"


def _decoded(body: bytes) -> Asked:
    """The body of a request for many keys.

    Raises:
        InputError: it names the field, or none where it is no JSON.
    """
    try:
        return _asked(body)
    except msgspec.ValidationError as error:
        says = str(error)
        place = _FIELD.search(says)
        field = place[1] if place else "keys"
        raise InputError(
            field or "keys",
            f'{says}: send {{"keys": [...]}}, 1 to {MOST:,} integers or texts, and "rows" with '
            "fields by key where they are known",
        ) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise InputError("", f"the body is no JSON ({error})") from None

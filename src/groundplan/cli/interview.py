"""The five questions in a terminal: asked in order, each with why it matters and examples."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from groundplan.cli import steps
from groundplan.cli.tables import heading
from groundplan.constraints import FIELDS
from groundplan.constraints.file import literal
from groundplan.constraints.kind import RefusedError
from groundplan.constraints.question import OF_TABLE, Asked
from groundplan.constraints.spoken import Meant, is_left_out, is_unknown, understand
from groundplan.decision.domain import DOMAINS
from groundplan.decision.inquiry import Inquiry, Step

HELP = """\
  an answer      500ms, half a second, about 10 million, nightly, 10k, yes: as one says it
  ?              you don't know: what each possible answer would decide
  open           leave it open: the file gets a comment, and the end says what it still decides
  -              leave out what is optional
  back           the question before; back p99: that question again
  help           this
  Enter          what stands in brackets
  Ctrl-C         stop; nothing is written unless you say so"""


class Interview:
    """One conversation; what is said goes into the inquiry.

    Args:
        inquiry: takes the answers.
        before: values of an earlier file by dotted key, offered as they are.
        marked: those of them that were assumed.
        out: where to print.
        read: asks for one line.
    """

    def __init__(
        self,
        inquiry: Inquiry,
        before: Mapping[str, Any],
        marked: frozenset[str],
        out: Console,
        read: Callable[[str], str] = input,
    ) -> None:
        self.inquiry = inquiry
        self.before = dict(before)
        self.marked = marked
        self.out = out
        self.read = read
        self.past: list[str] = []
        self.last: Step | None = None

    def run(self) -> None:
        """Ask until every question is answered, left out or left open.

        Raises:
            KeyboardInterrupt, EOFError: somebody stopped.
        """
        self.out.print("Five questions decide the architecture. `help` says how to answer.")
        table = ""
        warned: list[tuple[str, Any]] = []
        while (asked := self._next()) is not None:
            if asked.key.split(".")[0] != table:
                table = asked.key.split(".")[0]
                self._head(table)
            again = self._ask(asked)
            clash = () if again else self.inquiry.clash()
            values = [(key, self.inquiry.value(key)) for key in clash]
            if clash and values != warned:
                again, warned = self._reconsider(clash), values
            if again:
                self._take_back(again)
                table = ""

    def _reconsider(self, clash: tuple[str, ...]) -> str | None:
        """The answer to change, of those that leave a conflict only; None: go on all the same."""
        steps.clash(self.out, self.inquiry, clash)
        short = ", ".join(key.split(".")[1] for key in clash)
        while said := self.read("Which one do you change? [go on]: ").strip().lower():
            if (found := _named(said, clash)) is not None:
                return found
            if said in ("go on", "no", "none", "-"):
                break
            self.out.print(Text(f"  write one of {short}, or Enter to go on", style="red"))
        return None

    def _take_back(self, key: str) -> None:
        """Ask for an answer again, and offer what was said."""
        meant = self.inquiry.plain.get(key)
        if meant is not None:
            self.before[key] = meant
            self.marked -= {key}
        self.past = [other for other in self.past if other != key]
        self.inquiry.take_back(key)

    def _next(self) -> Asked | None:
        return next((a for a in self.inquiry.asked() if not self.inquiry.known(a.key)), None)

    def _head(self, table: str) -> None:
        question = OF_TABLE.get(table)
        if question is not None:
            heading(self.out, f"{question.number}. {question.text}")
            self.out.print(f"It decides {question.decides}.")
        else:
            heading(self.out, "The system" if table == "system" else "What the plan may use")
            if table == "policy":
                self.out.print("All of it is optional: Enter leaves out what nobody has fixed.")

    def _ask(self, asked: Asked) -> str | None:
        """Ask until an answer is understood; or the key of an earlier question that is wanted."""
        self._explain(asked)
        default = self._default(asked)
        doubted = False
        while True:
            said = self.read(self._prompt(asked, default, doubted)).strip()
            match said.lower().split():
                case ["back" | "<"]:
                    return self.past[-1] if self.past else asked.key
                case ["back" | "<", name]:
                    if (found := _named(name, self.past)) is not None:
                        return found
                    self.out.print(Text(f"  no answer is called {name} so far", style="red"))
                    continue
                case ["help" | "h"]:
                    self.out.print(HELP, markup=False)
                    continue
                case ["open"] if FIELDS[asked.key].required:
                    self._told(self.inquiry.open(asked.key))
                    break
            if said and is_unknown(said):
                doubted, asked = True, self._likely(asked)
                self._doubt(asked)
            elif self._take(asked, said, default, doubted):
                break
        self.past.append(asked.key)
        return None

    def _take(self, asked: Asked, said: str, default: Meant | None, doubted: bool) -> bool:
        required = FIELDS[asked.key].required
        word = ""
        try:
            if said and not (is_left_out(said) and not required):
                made = self.inquiry.give(asked.key, said)
            elif default is not None and not said:
                made = self.inquiry.put(asked.key, default, assumed=asked.key in self.marked)
            elif doubted and not said and asked.usual is not None:
                made = self.inquiry.give(asked.key, str(asked.usual), assumed=True)
                word = "assumed"
            elif not required:
                made = self.inquiry.put(asked.key, None)
            elif doubted:
                made = self.inquiry.open(asked.key)
            else:
                self.out.print("  an answer is needed; `?` shows what each would decide")
                return False
        except RefusedError as refusal:
            shown = literal(refusal.nearest)
            self.out.print(Text(f"  {refusal.rule}; for instance {shown}", style="red"))
            return False
        self._told(made, word)
        return True

    def _told(self, made: Step, word: str = "") -> None:
        steps.step(self.out, made, word=word, last=self.last)
        self.last = made

    def _explain(self, asked: Asked) -> None:
        self.out.print()
        self.out.print(Text(asked.text, style="bold"))
        self.out.print(Padding(Text(asked.why), (0, 0, 0, 2), expand=False))
        grid = Table.grid(padding=(0, 2))
        for said, meaning in asked.examples:
            grid.add_row(Text(said, style="cyan"), meaning)
        self.out.print(Padding(grid, (0, 0, 0, 4), expand=False))

    def _default(self, asked: Asked) -> Meant | None:
        """What an earlier file says, if it can be read."""
        raw = self.before.get(asked.key)
        if raw is None:
            return None
        kind = FIELDS[asked.key].kind
        try:
            return Meant(kind.read(raw), raw)
        except RefusedError as refusal:
            self.out.print(f"  the file says {literal(raw)}: {refusal.rule}", style="yellow")
        try:
            return understand(kind, str(raw))
        except RefusedError:
            return None

    def _prompt(self, asked: Asked, default: Meant | None, doubted: bool) -> str:
        required = FIELDS[asked.key].required
        if default is not None:
            offer = str(default.plain).lower() if default.plain is True else str(default.plain)
        elif doubted and asked.usual is not None:
            offer = f"assume {asked.usual}"
        elif doubted and required:
            offer = "leave it open"
        else:
            offer = "" if required else "leave out"
        return f"{asked.key}{f' [{offer}]' if offer else ''}: "

    def _doubt(self, asked: Asked) -> None:
        standing = self.inquiry.standing()
        if asked.key in standing.open:
            steps.spans(self.out, asked.key, standing.spans(asked.key))
        else:
            steps.beside(self.out, asked.key)

    def _likely(self, asked: Asked) -> Asked:
        """The question without its assumption, where that would leave a conflict only."""
        if asked.usual is None or asked.key not in DOMAINS:
            return asked
        value = FIELDS[asked.key].kind.read(asked.usual)
        left = self.inquiry.standing().but(asked.key, value).outcomes()
        return asked if any(left) else asked._replace(usual=None)


def _named(name: str, keys: Iterable[str]) -> str | None:
    """The key that a dotted name or its last part stands for."""
    return next((key for key in keys if name in (key, key.split(".")[1])), None)

"""A consistency report as one page: no script, nothing from the network, light and dark."""

from datetime import UTC, datetime
from html import escape
from typing import Final

from groundplan.monitoring.consistency import Example, FeatureReport, Report

_KINDS: Final = (
    ("equal", "equal", "the same bits on both sides"),
    ("late", "late", "explained by what arrived after the answer, or too late to count"),
    ("mismatch", "mismatch", "two different numbers"),
    ("missing", "missing", "nothing was served, and there is a value"),
    ("extra", "extra", "a value was served, and there is none"),
)
"""By kind: the word, and what it means."""

_STYLE: Final = """
:root { color-scheme: light dark;
  --ground: #f7f7f4; --card: #ffffff; --ink: #1d2125; --soft: #646b73; --line: #e3e3dd;
  --equal: #9cc5ad; --late: #e3b341; --mismatch: #cf3a3a; --missing: #8b5cc7; --extra: #2f7fd1;
  --good: #1f7a4d; --bad: #b42323; --goodback: #e4f3ea; --badback: #fbe6e4; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #14171a; --card: #1d2125; --ink: #e8eaec; --soft: #9aa3ad; --line: #30363c;
  --equal: #37694e; --late: #c99a2e; --mismatch: #e5635c; --missing: #a784dc; --extra: #5aa0e6;
  --good: #6fcf9b; --bad: #ff8a80; --goodback: #17301f; --badback: #3a1a19; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
h1 { font-size: 1.65rem; line-height: 1.25; margin: 0 0 .2rem; letter-spacing: -.01em; }
h2 { font-size: 1.05rem; margin: 2.4rem 0 .8rem; }
p { margin: 0; } .soft { color: var(--soft); }
.verdict { display: flex; gap: .9rem; align-items: baseline; margin: 1.5rem 0;
  padding: 1rem 1.2rem; border-radius: 10px; background: var(--goodback); }
.verdict b { color: var(--good); font-size: 1.1rem; white-space: nowrap; }
.verdict.bad { background: var(--badback); } .verdict.bad b { color: var(--bad); }
.tiles { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: .8rem 1rem; }
.tile b { display: block; font-size: 1.45rem; font-variant-numeric: tabular-nums; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; margin: 0 0 .9rem;
  font-size: .87rem; color: var(--soft); }
.legend i { display: inline-block; width: .75rem; height: .75rem; border-radius: 3px;
  margin-right: .4rem; vertical-align: -.05rem; }
.features { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.feature { padding: .75rem 1.1rem; border-top: 1px solid var(--line); }
.feature:first-child { border-top: 0; }
.head { display: flex; flex-wrap: wrap; justify-content: space-between; gap: .1rem 1rem; }
.name { font: 600 .9rem ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  overflow-wrap: anywhere; }
.counts { font-size: .87rem; color: var(--soft); font-variant-numeric: tabular-nums; }
.counts b { color: var(--bad); } .counts em { color: var(--ink); font-style: normal; }
.bar { display: flex; gap: 2px; height: .6rem; margin-top: .45rem; }
.bar span { min-width: 5px; border-radius: 3px; }
.equal { background: var(--equal); } .late { background: var(--late); }
.mismatch { background: var(--mismatch); } .missing { background: var(--missing); }
.extra { background: var(--extra); }
.scroll { overflow-x: auto; margin-top: .6rem; }
table { border-collapse: collapse; font-size: .87rem; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 500; color: var(--soft); }
th, td { padding: .15rem 1.6rem .15rem 0; white-space: nowrap; }
td.number { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
footer { margin-top: 2rem; font-size: .87rem; }
"""


def page(report: Report, system: str, build: str) -> str:
    """The page of a report.

    Args:
        report: what was compared.
        system: the name of the system.
        build: the build that serves.
    """
    features = sorted(report.features, key=lambda feature: (-feature.wrong, -feature.late))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(system)}: served against recomputed</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{escape(system)}: served against recomputed</h1>
<p class="soft">Build {escape(build)}. {_period(report)}</p>
{_verdict(report)}
<div class="tiles">{_tiles(report)}</div>
<h2>Features, the worst first</h2>
<div class="legend">{_legend()}</div>
<div class="features">{"".join(map(_feature, features))}</div>
<footer class="soft">Each value that was served is recomputed offline at the same key and time,
over everything that is known now, and compared bit for bit. A coloured piece of a bar is never
drawn thinner than the eye can see; the numbers beside it are exact.</footer>
</main>
</body>
</html>
"""


def _verdict(report: Report) -> str:
    if not report.rows:
        return _box("", "Nothing to compare yet", "No answer has been logged.")
    wrong = [feature for feature in report.features if feature.wrong]
    if not wrong:
        late = any(feature.late for feature in report.features)
        rest = "; every difference came with a late event or label" if late else ""
        return _box("", "Consistent", f"What was served is what training computes{rest}.")
    worst = max(feature.wrong for feature in wrong)
    return _box(
        "bad",
        "Not consistent",
        f"{len(wrong)} of {len(report.features)} features were served with values that nothing "
        f"explains, in up to {worst:,} of {report.rows:,} answers.",
    )


def _box(kind: str, title: str, text: str) -> str:
    return f'<div class="verdict {kind}"><b>{escape(title)}</b><span>{escape(text)}</span></div>'


def _tiles(report: Report) -> str:
    tiles = [
        (report.rows, "answers compared"),
        (report.degraded, "degraded: a fallback gave their features"),
        (report.repeated, "answers to a repeated event"),
        (report.events, "events recomputed over"),
        (report.late_events, "events late, within the lateness"),
        (report.beyond, "events too late to count"),
    ]
    tiles += [(report.foreign, "answers by other definitions")] if report.foreign else []
    tiles += [(report.unexamined, "differences not examined")] if report.unexamined else []
    return "".join(
        f'<div class="tile"><b>{number:,}</b><span class="soft">{says}</span></div>'
        for number, says in tiles
    )


def _legend() -> str:
    return "".join(
        f'<span title="{meaning}"><i class="{kind}"></i>{word}: {meaning}</span>'
        for kind, word, meaning in _KINDS
    )


def _feature(feature: FeatureReport) -> str:
    counts = {kind: getattr(feature, kind) for kind, _, _ in _KINDS}
    pieces = "".join(
        f'<span class="{kind}" style="flex:{count} 0 0" title="{count:,} {kind}"></span>'
        for kind, count in counts.items()
        if count
    )
    says = [f"<em>{counts['equal']:,}</em> equal"]
    says += [f"<em>{feature.late:,}</em> late"] if feature.late else []
    far = f" by up to {feature.largest:.6g}"
    says += [f"<b>{feature.mismatch:,} mismatch</b>{far}"] if feature.mismatch else []
    says += [f"<b>{feature.missing:,} missing</b>"] if feature.missing else []
    says += [f"<b>{feature.extra:,} extra</b>"] if feature.extra else []
    return (
        f'<div class="feature"><div class="head"><span class="name">{escape(feature.name)}</span>'
        f'<span class="counts">{" · ".join(says)}</span></div>'
        f'<div class="bar" aria-hidden="true">{pieces}</div>{_examples(feature)}</div>'
    )


def _examples(feature: FeatureReport) -> str:
    if not feature.examples:
        return ""
    rows = "".join(map(_example, feature.examples))
    return (
        '<div class="scroll"><table><tr><th>event</th><th>answered</th><th>served</th>'
        f"<th>recomputed</th></tr>{rows}</table></div>"
    )


def _example(example: Example) -> str:
    return (
        f"<tr><td>{escape(str(example.id))}</td><td>{_moment(example.at)}</td>"
        f'<td class="number">{_value(example.served)}</td>'
        f'<td class="number">{_value(example.recomputed)}</td></tr>'
    )


def _value(value: float | None) -> str:
    return "none" if value is None else repr(value)


def _period(report: Report) -> str:
    if report.first is None or report.last is None:
        return "No answers."
    return f"Answers from {_moment(report.first)} to {_moment(report.last)}."


def _moment(us: int) -> str:
    return datetime.fromtimestamp(us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

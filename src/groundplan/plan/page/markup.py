"""HTML and SVG as text that is escaped where it is put together, and nowhere else."""

import re
from html import escape
from typing import Final

_VOID: Final = {"meta", "br", "wbr", "input"}
_BREAK: Final = re.compile(r"(?<=[,{])(?=\w)")


class Html(str):
    """Markup: a text that is not escaped again."""

    __slots__ = ()


def tag(name: str, /, *children: str | None, **attributes: str | float | bool | None) -> Html:
    """One element; children that are not `Html` are escaped, those that are None left out.

    `class_` is written `class`, and `data_key` is `data-key`; True is an attribute without a
    value, False and None are none.
    """
    said = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Html(f"<{name}{said}>")
    return Html(f"<{name}{said}>{join(*children)}</{name}>")


def join(*children: str | None) -> Html:
    """Children one after the other."""
    return Html("".join(one if isinstance(one, Html) else escape(one) for one in children if one))


def _attribute(key: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return f' {name}="{escape(text)}"'


def prose(text: str) -> Html:
    """A sentence in which what stands between backticks is code; names of metrics may break."""
    parts = [_breaking(part) for part in text.split("`")]
    return join(*(tag("code", part) if i % 2 else part for i, part in enumerate(parts)))


def _breaking(text: str) -> Html:
    return Html(tag("wbr").join(escape(part) for part in _BREAK.split(text)))


def table(
    caption: str, heads: tuple[str, ...], rows: list[tuple[str | None, ...]], **attributes: str
) -> Html:
    """A table whose first column names its rows; on a phone each row becomes a card.

    Args:
        caption: what the table holds, for those who do not see it.
        heads: the names of the columns.
        rows: their cells; a text that is not `Html` is prose.
        attributes: of the table.
    """
    body = [
        tag(
            "tr",
            tag("th", _cell(row[0]), scope="row"),
            *(
                tag("td", _cell(cell), data_head=head)
                for head, cell in zip(heads[1:], row[1:], strict=True)
            ),
        )
        for row in rows
    ]
    return tag(
        "table",
        tag("caption", caption, class_="unseen"),
        tag("thead", tag("tr", *(tag("th", head, scope="col") for head in heads))),
        tag("tbody", *body),
        **attributes,
    )


def _cell(cell: str | None) -> str | None:
    return cell if cell is None or isinstance(cell, Html) else prose(cell)

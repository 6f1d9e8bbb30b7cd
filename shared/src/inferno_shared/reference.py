"""Tables of a documentation page that are made from the code: how they are written and put into it."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

Tables = Mapping[str, Callable[[], str]]
"""What makes each table, by the name that the page's marks have."""


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows of ready Markdown under a head."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def filled(text: str, tables: Tables) -> str:
    """A document with the tables between its marks, `<!-- NAME -->` and `<!-- /NAME -->`, made anew."""
    for name, table in tables.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        if found:
            text = f"{before}{begin}\n{table()}\n{end}{after}"
    return text


def fill_named_files(tables: Tables) -> None:
    """Put the tables into the files named on the command line."""
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(filled(path.read_text(encoding="utf-8"), tables), encoding="utf-8")

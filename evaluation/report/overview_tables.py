"""Tables of the overview: rows, as they are shown, turned into columns, and into Markdown."""

from typing import Any

from evaluation.report.format import DASH

COLUMNS = ("model", "variant", "target", "verdict", "weights")
LAST = ("tokens a second", "compiler", "built")


def tables_of(rows: list[dict[str, Any]]) -> list[tuple[str, list[str], list[list[str]]]]:
    """A table of all, and one of each task's languages: heading, columns, cells."""
    tasks = list(dict.fromkeys(task for row in rows for task in row["rates"]))
    heads = [*COLUMNS, *(f"{task}, %" for task in tasks), *LAST]
    cells = [
        [
            *(row[column] for column in COLUMNS),
            *(row["rates"].get(task, DASH) for task in tasks),
            *(row[column] for column in LAST),
        ]
        for row in rows
    ]
    tables = [("Everything, error rates float → compiled", heads, cells)]
    for task in tasks:
        own = [row for row in rows if task in row["languages"]]
        codes = sorted({code for row in own for code in row["languages"][task]})
        tables.append(
            (
                f"Error rates of the compiled models, {task}, %",
                [*COLUMNS[:3], *codes],
                [
                    [
                        *(row[column] for column in COLUMNS[:3]),
                        *(row["languages"][task].get(code, DASH) for code in codes),
                    ]
                    for row in own
                ],
            )
        )
    return tables


def markdown(tables: list[tuple[str, list[str], list[list[str]]]]) -> str:
    """The tables for a terminal, a wiki or a repository."""
    texts = []
    for heading, heads, cells in tables:
        lines = [heads, ["---"] * len(heads), *cells]
        rows = "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in x)} |" for x in lines)
        texts.append(f"{heading}\n\n{rows}\n")
    return "\n".join(texts)

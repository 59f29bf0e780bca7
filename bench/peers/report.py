"""The table and the figure, written beside the rows they are made of."""

from pathlib import Path

import figure
import rows
import table
from medians import medians


def write(path: Path) -> int:
    found = rows.read(path)
    if not found:
        print(f"there are no rows in {path}")
        return 1
    text = table.markdown(found)
    path.with_suffix(".md").write_text(text)
    path.with_suffix(".svg").write_text(figure.svg(medians(found)))
    print(text)
    return 0

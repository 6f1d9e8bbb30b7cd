"""Links that leave docs/ lead into the repository; on the site they become the path itself, checked."""

import re
from pathlib import Path
from typing import Any

_LINK = re.compile(r"\[([^\]]+)\]\((\.\./[^)#\s]+)(?:#[^)]*)?\)")
ROOT = Path(__file__).resolve().parents[2]


def on_page_markdown(markdown: str, *, page: Any, **_: object) -> str:  # noqa: ANN401 - mkdocs has no types
    """Replace the links of one page that lead out of docs/.

    Raises:
        ValueError: such a link leads nowhere, so that the strict build fails.
    """
    folder = (ROOT / "docs" / page.file.src_uri).parent

    def replaced(found: re.Match[str]) -> str:
        target = (folder / found[2]).resolve()
        if not target.exists():
            raise ValueError(f"{page.file.src_uri}: {found[2]} leads nowhere")
        if target.is_relative_to(ROOT / "docs"):
            return found[0]
        path = str(target.relative_to(ROOT))
        return f"`{path}`" if found[1].strip("`") in {found[2], path} else f"{found[1]} (`{path}`)"

    return _LINK.sub(replaced, markdown)

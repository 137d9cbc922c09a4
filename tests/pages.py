"""The pages whose examples the tests run, and the pages whose links they check."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def _read(*paths: Path) -> dict[str, str]:
    return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in paths}


# path from the root -> text
PAGES = _read(ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
LINKED = PAGES | _read(*sorted(ROOT.glob("*.md")), ROOT / "clients" / "README.md", ROOT / "service" / "core" / "stream" / "STREAM.md")

_FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def links(text: str) -> list[str]:
    """Return the targets of the links and pictures on a page, except those on other sites."""
    prose = re.sub(r"`[^`\n]*`", "", _FENCED.sub("", text))
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", prose) if not re.match(r"[a-z]+:", target)]


def anchors(text: str) -> list[str]:
    """Return the anchors that GitHub gives to the headings of a page.

    >>> anchors("# `/init`: what, and how?\\n## Keys & TLS\\n## Keys & TLS\\n")
    ['init-what-and-how', 'keys--tls', 'keys--tls-1']
    """
    slugs: list[str] = []
    for heading in re.findall(r"^#+ (.*)$", _FENCED.sub("", text), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        repeated = sum(re.fullmatch(rf"{re.escape(slug)}(-\d+)?", anchor) is not None for anchor in slugs)
        slugs.append(f"{slug}-{repeated}" if repeated else slug)
    return slugs

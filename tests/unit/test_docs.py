"""What ARCHITECTURE.md and docs/ say is where it is: every path that they name exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "kubette"
DOCUMENTS = [ROOT / f"{name}.md" for name in ("ARCHITECTURE", "README", "CONTRIBUTING")]
DOCUMENTS += sorted((ROOT / "docs").glob("*.md"))
_PATH = re.compile(r"[\w.*-]+(?:/[\w.*-]+)*/?").fullmatch
_LINK = re.compile(r"\]\(([^)#:]+)[^)]*\)")


def named(text: str) -> Iterator[str]:
    """What a paragraph, or a table's row, sets in backticks and calls a file or a directory."""
    for word in re.findall(r"`([^`\n]+)`", text):
        if _PATH(word) and word.endswith((".py", ".md", ".toml", ".yaml", "/")):
            yield word


def missing(text: str) -> list[str]:
    """A bare name lies beside a file that the paragraph has named before it."""
    out, beside = [], [ROOT, SOURCE]
    for word in named(text):
        found = [path for base in beside for path in base.glob(word.rstrip("/"))]
        if found:
            beside.extend(path.parent for path in found)
        else:
            out.append(word)
    return out


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_exists(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    parts = re.split(r"\n\n|\n(?=\|)", text)
    assert [lost for part in parts if (lost := missing(part))] == []
    links = [target for target in _LINK.findall(text) if "://" not in target]
    assert [target for target in links if not (document.parent / target).exists()] == []


def test_the_documents_do_name_files() -> None:
    counts = {path.name: sum(1 for _ in named(path.read_text())) for path in DOCUMENTS}
    assert counts["ARCHITECTURE.md"] > 40 and counts["life-of-a-pod.md"] > 20 and counts["life-of-a-clusterip.md"] > 10


def test_every_package_has_its_row() -> None:
    """Whoever looks for a part of the system finds where to begin."""
    rows = (ROOT / "ARCHITECTURE.md").read_text()
    packages = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    assert [name for name in sorted(packages) if f"`{name}/" not in rows] == []

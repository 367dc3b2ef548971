"""Every code block of the pages in docs/ runs, and prints what the page says."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
from dataclasses import dataclass, field

import numpy as np
import pytest

from conftest import ROOT

#: Pages whose blocks are programs.
PAGES = ["bring-your-own-model.md", "data.md", "layouts.md"]

#: What a block may need beside the package itself.
EXTRAS = "autograd|mygrad|scipy|sklearn|thinc"


@dataclass
class Section:
    """What stands under a heading: kinds of blocks and their texts, in order."""

    page: str
    title: str
    blocks: list[tuple[str, str]] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.page}: {self.title}"


def sections(page: str) -> list[Section]:
    found: list[Section] = []
    for part in re.split(r"^(?=#+ )", (ROOT / "docs" / page).read_text(), flags=re.M):
        blocks = re.findall(r"^```(\w*)\n(.*?)^```$", part, flags=re.M | re.S)
        title = part.splitlines()[0].lstrip("# ") if part else ""
        if blocks:
            found.append(Section(page, title, blocks))
    return found


ALL = [section for page in PAGES for section in sections(page)]


@pytest.mark.parametrize("section", ALL, ids=str)
def test_the_blocks_of_a_section_run_and_print_what_it_says(section, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"np": np, "__name__": "page"}
    exec("import strop", names)
    printed = ""
    for kind, text in section.blocks:
        if kind == "python":
            for extra in re.findall(rf"^(?:import|from) (?:strop\.adapters\.)?({EXTRAS})\b", text, re.M):
                if importlib.util.find_spec(extra) is None:
                    pytest.skip(f"{extra} is not installed")
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(text, f"{section.page}, {section.title}", "exec"), names)
            printed = output.getvalue()
        elif kind == "text":
            assert printed == text


def test_what_a_page_says_to_change_stands_in_the_examples():
    examples = "\n".join(path.read_text() for path in sorted((ROOT / "examples").glob("*.py")))
    squeezed = re.sub(r"\s+", " ", examples)
    changes = [text for section in ALL for kind, text in section.blocks if kind == "diff"]
    assert len(changes) == 5
    for line in "".join(changes).splitlines():
        right_side = line[2:].split(" = ")[-1].strip()
        assert line[:2] in ("+ ", "- ", "  ")
        assert right_side in squeezed, line


def test_links_lead_somewhere():
    for page in [*PAGES, "keras.md"]:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", (ROOT / "docs" / page).read_text()):
            assert (ROOT / "docs" / target).exists(), f"{page} links {target}"

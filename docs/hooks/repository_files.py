"""Serve the files of the repository that pages link to.

On the repository's host a page reaches them by relative links, `../../benchmarks/results/style_grounding.png`. The site
has nothing above its pages, so each such file is copied to `repository/` and the link is changed to it. The model cards
become pages.
"""

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

REPOSITORY = Path(__file__).parents[2]
MODEL_CARDS = {
    "latentstem/weights/bass/README.md": "model-card.md",
    "latentstem/weights/bass-gm/README.md": "model-card-bass-gm.md",
    "latentstem/weights/bassnet-gm/README.md": "model-card-bassnet-gm.md",
    "latentstem/weights/loops-gm/README.md": "model-card-loops-gm.md",
}
PAGES = {**MODEL_CARDS, "README.md": "index.md"}

_LINK = re.compile(r"(?<=\]\()(?P<target>(?:\.\./)+[^)#\s]+)")


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Add the model cards, files of the weights, as pages."""
    for card, page in MODEL_CARDS.items():
        files.append(File.generated(config, page, abs_src_path=str(REPOSITORY / card)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files, **_: Any) -> str:
    """Change links that leave the pages to the served copies."""
    folder = Path(config.docs_dir, page.file.src_uri).parent

    def served(link: re.Match[str]) -> str:
        target = Path(os.path.normpath(folder / link["target"]))
        if target.is_relative_to(config.docs_dir) or not (target.is_file() and target.is_relative_to(REPOSITORY)):
            return link[0]  # among the pages, or missing: the site's own check of links decides
        path = target.relative_to(REPOSITORY).as_posix()
        uri = PAGES.get(path, f"repository/{path}")
        if uri not in files.src_uris:
            files.append(File.generated(config, uri, abs_src_path=str(target)))
        return os.path.relpath(uri, Path(page.file.src_uri).parent)

    return _LINK.sub(served, markdown)

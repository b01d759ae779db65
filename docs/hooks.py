"""What the site does beside MkDocs: pages from outside docs/, formulas without scripts."""

import re
from pathlib import Path

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
OUTSIDE = {  # page of the site: its file in the repository
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "troubleshooting.md": "data/troubleshooting.md",
    "json.md": "src/nstar/cli/README.md",
} | {
    f"evidence/{file.name}": f"benchmarks/results/{file.name}"
    for file in sorted((ROOT / "benchmarks" / "results").iterdir())
    if file.suffix in {".md", ".svg"}
}
# Pages that are being written: in the navigation once they are there.
RESERVED = {"watch.md", "mixtures.md", "tasks.md"}
LINK = re.compile(r"(\]\()([\w./-]+)(?=[#)])")
FORMULA = re.compile(
    r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Leave reserved pages out of the navigation until they are written."""
    absent = {name for name in RESERVED if not (ROOT / "docs" / name).is_file()}
    for section in config.nav or []:
        if isinstance(section, dict):
            for title, pages in section.items():
                if isinstance(pages, list):
                    section[title] = [page for page in pages if page not in absent]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add pages and figures that live beside what they are about."""
    for page, file in OUTSIDE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / file)))
    return files


def on_page_markdown(markdown: str, page: object, files: Files, **_: object) -> str:
    """Point links that hold in the repository at pages of the site."""
    source = page.file  # type: ignore[attr-defined]
    here = OUTSIDE.get(source.src_uri, f"docs/{source.src_uri}")
    places = {file: page for page, file in OUTSIDE.items()}

    def point(link: re.Match[str]) -> str:
        target = (ROOT / here).parent.joinpath(link[2]).resolve()
        if not target.is_relative_to(ROOT):
            return link[0]
        path = target.relative_to(ROOT).as_posix()
        place = places.get(path) or path.removeprefix("docs/")
        depth = source.src_uri.count("/")
        return f"{link[1]}{'../' * depth}{place}"

    return LINK.sub(point, markdown)


def on_page_content(html: str, **_: object) -> str:
    """Write formulas as MathML, which browsers show without a script or a font."""
    return FORMULA.sub(
        lambda found: convert(
            found[2].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"),
            display="block" if found[1] == "div" else "inline",
        ),
        html,
    )

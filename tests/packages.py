"""The picture of the packages in docs/architecture.md, drawn from their imports: `python -m tests.packages`.

The packages are those that pyproject.toml names to import-linter, whatever they are.
"""

from __future__ import annotations

import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- packages: made by `python -m tests.packages` -->\n", "<!-- end of packages -->\n"


def list_packages() -> list[str]:
    """Return the root packages that the import contracts are about."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return list(pyproject["tool"]["importlinter"]["root_packages"])


def find_imports(packages: list[str]) -> dict[str, set[str]]:
    """Return for each package the other packages that any module of it imports at run time."""
    graph = grimp.build_graph(*packages, cache_dir=None, exclude_type_checking_imports=True)
    imports: dict[str, set[str]] = {package: set() for package in packages}
    for module in graph.modules:
        package = module.partition(".")[0]
        imported = {name.partition(".")[0] for name in graph.find_modules_directly_imported_by(module)}
        imports[package] |= imported - {package}
    return imports


def draw(imports: dict[str, set[str]]) -> str:
    """Return a Mermaid flowchart with an arrow from each package to each one it imports; mutual imports are dashed."""
    lines = ["```mermaid", "flowchart TD"]
    order = _sort(imports)
    lines += [f"    {package}[{package}/]" for package in order]
    for package in order:
        for imported in (other for other in order if other in imports[package]):
            if package not in imports[imported]:
                lines.append(f"    {package} --> {imported}")
            elif order.index(package) < order.index(imported):
                lines.append(f"    {package} <-.-> {imported}")
    return "\n".join([*lines, "```"]) + "\n"


def _sort(imports: dict[str, set[str]]) -> list[str]:
    """Return the packages, importers before what they import; by how many they import where there is a circle."""
    try:
        ordered = {package: sorted(imports[package]) for package in sorted(imports)}
        return list(TopologicalSorter(ordered).static_order())[::-1]
    except CycleError:
        return sorted(imports, key=lambda package: (-len(imports[package]), package))


def replace_picture(page: str, picture: str) -> str:
    """Return the page with the picture between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        sys.exit(f"{PAGE.relative_to(ROOT)} lacks the lines {BEGIN.strip()!r} and {END.strip()!r}.")
    return before + BEGIN + picture + END + after


def main() -> None:
    """Write the picture into docs/architecture.md."""
    sys.path.insert(0, str(ROOT))
    PAGE.write_text(replace_picture(PAGE.read_text(), draw(find_imports(list_packages()))))


if __name__ == "__main__":
    main()

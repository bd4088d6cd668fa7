import ast
from pathlib import Path

import pytest

import spacy_rnn

ROOT = Path(spacy_rnn.__file__).parent
PACKAGE = ROOT.name
ROOMS = (
    "native cuda recurrence crf generation backoff text layers models".split()
    + "streaming pipeline interop evaluation distributed pages cli".split()
)
N_FILES = 14


def _module_files() -> dict[str, Path]:
    """Map the dotted name of each module of the package to its file."""
    names = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = (PACKAGE, *path.relative_to(ROOT).with_suffix("").parts)
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def _imported(module: str, path: Path, modules: dict[str, Path]) -> set[str]:
    """Find the modules of the package that a module imports: at the top, within functions and for type checking."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{source}.{alias.name}" if f"{source}.{alias.name}" in modules else source for alias in node.names]
        else:
            continue
        found.update(name for name in names if name in modules and name != module)
    return found


def _room(module: str) -> str:
    return module.split(".")[1]


MODULES = _module_files()
IMPORTS = {module: _imported(module, path, MODULES) for module, path in MODULES.items()}


def _circle(imports: dict[str, set[str]]) -> list[str]:
    """Find modules that import each other in a circle, the first one named again at the end; empty if there are none."""
    done: set[str] = set()

    def visit(module: str, trail: list[str]) -> list[str]:
        if module in trail:
            return [*trail[trail.index(module) :], module]
        if module in done:
            return []
        for other in sorted(imports[module]):
            found = visit(other, [*trail, module])
            if found:
                return found
        done.add(module)
        return []

    for module in sorted(imports):
        found = visit(module, [])
        if found:
            return found
    return []


def test_every_folder_is_a_room():
    assert {_room(module) for module in MODULES if module != PACKAGE} <= set(ROOMS)


def test_rooms_import_only_from_rooms_below():
    upward = [
        f"{module} -> {other}"
        for module, imported in IMPORTS.items()
        for other in imported
        if module != PACKAGE and other != PACKAGE and ROOMS.index(_room(other)) > ROOMS.index(_room(module))
    ]
    assert not upward


def test_modules_import_each_other_in_no_circle():
    assert not _circle(IMPORTS)


@pytest.mark.parametrize(
    ("imports", "circle"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": {"b"}}, ["b", "c", "b"]),
        ({"a": {"b", "c"}, "b": {"c"}, "c": set()}, []),
    ],
)
def test_circles_are_found(imports, circle):
    assert _circle(imports) == circle


def test_folders_hold_about_a_dozen_files():
    for folder in {path.parent for path in MODULES.values()}:
        assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= N_FILES, folder


def test_no_module_shares_its_name_with_a_function_in_it():
    shared = []
    for module, path in MODULES.items():
        tree = ast.parse(path.read_text(encoding="utf8"))
        names = {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
        if module.rpartition(".")[2] in names:
            shared.append(module)
    assert not shared

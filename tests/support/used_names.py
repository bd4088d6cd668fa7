"""Which names of a module a source uses, read off its syntax."""

import ast
from typing import Dict, Iterator, List, NamedTuple, Optional


class Use(NamedTuple):
    """A name of a module that a source uses.

    name (str): The name, from the module on: "cuda.runtime.getDevice".
    line (int): Where.
    call (Optional[ast.Call]): The call of it, if it is called there.
    """

    name: str
    line: int
    call: Optional[ast.Call]


def find_uses(source: str, module: str, stands_for: List[str], gives: List[str]) -> List[Use]:
    """Find what a source uses of a module, whatever name it has there.

    source (str): The source.
    module (str): The module. Imports of it, and assignments from its names, are followed.
    stands_for (List[str]): Other names of it, as variables and as attributes: with "xp", `xp.zeros` and `model.ops.xp.zeros` are
        uses of `zeros`.
    gives (List[str]): Functions that return it.
    RETURNS (List[Use]): The uses, of each chain of attributes the longest.
    """
    tree = ast.parse(source)
    names = _Names(module, stands_for, gives)
    for _ in range(2):
        # Assignments may stand before the imports that they follow.
        for node in ast.walk(tree):
            names.learn(node)
    return sorted(_uses(tree, names, None), key=lambda use: use.line)


class _Names:
    """What names in a source stand for."""

    def __init__(self, module: str, stands_for: List[str], gives: List[str]) -> None:
        self.module = module
        self.stands_for = set(stands_for)
        self.gives = set(gives)
        # Names in the source, and the names of the module that these are; "" is the module itself.
        self.known: Dict[str, str] = {}

    def learn(self, node: ast.AST) -> None:
        """Follow an import or an assignment."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == self.module:
                    self.known[alias.asname or self.module] = alias.name.partition(".")[2] if alias.asname else ""
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == self.module:
            for alias in node.names:
                inside = node.module.partition(".")[2]
                self.known[alias.asname or alias.name] = f"{inside}.{alias.name}".lstrip(".")
        elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            name = self.resolve(node.value)
            if name:
                self.known[node.targets[0].id] = name

    def resolve(self, node: ast.AST) -> Optional[str]:
        """Give what an expression is in the module; "" if it is the module, None if it is none of it."""
        if isinstance(node, ast.Name):
            return "" if node.id in self.stands_for else self.known.get(node.id)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in self.gives:
                return ""
            if node.func.id == "getattr" and isinstance(node.args[1], ast.Constant):
                return self._inside(node.args[0], node.args[1].value)
        if isinstance(node, ast.Attribute):
            return self._inside(node.value, node.attr)
        return None

    def _inside(self, value: ast.AST, name: str) -> Optional[str]:
        if name in self.stands_for:
            return ""
        outer = self.resolve(value)
        return None if outer is None else f"{outer}.{name}".lstrip(".")


def _uses(node: ast.AST, names: _Names, call: Optional[ast.Call]) -> Iterator[Use]:
    name = names.resolve(node)
    if name and not (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)):
        yield Use(name, node.lineno, call)
        return
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        yield from _imported(node, names.module)
    for child in ast.iter_child_nodes(node):
        yield from _uses(child, names, node if isinstance(node, ast.Call) and child is node.func else None)


def _imported(node: ast.AST, module: str) -> Iterator[Use]:
    if isinstance(node, ast.Import):
        found = [alias.name for alias in node.names]
    else:
        found = [f"{node.module}.{alias.name}" for alias in node.names]
    for name in found:
        if name.startswith(f"{module}."):
            yield Use(name.partition(".")[2], node.lineno, None)

"""Which names of a module a source uses, read off its syntax."""

import ast
from typing import Collection, Dict, Iterator, List, NamedTuple, Optional, Union

_Function = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class Use(NamedTuple):
    """A name of a module that a source uses.

    name (str): The name, from the module on: "cuda.runtime.getDevice". What an object has is looked for in its class.
    line (int): Where.
    call (Optional[ast.Call]): The call of it, if it is called there.
    """

    name: str
    line: int
    call: Optional[ast.Call]


def find_uses(source: str, module: str, stands_for: Collection[str], gives: Collection[str]) -> List[Use]:
    """Find what a source uses of a module, whatever name it has there.

    source (str): The source.
    module (str): The module. Imports of it, and assignments from its names, are followed inside a function.
    stands_for (Collection[str]): Other names of it, as variables and as attributes: with "xp", `xp.zeros` and
        `model.ops.xp.zeros` are uses of `zeros`.
    gives (Collection[str]): Functions that return it.
    RETURNS (List[Use]): The uses, of each chain of attributes the longest.
    """
    tree = ast.parse(source)
    return sorted(_Scope(module, stands_for, gives, {}, tree).uses(tree), key=lambda use: use.line)


class _Scope:
    """What names stand for in a function, or outside of all."""

    def __init__(
        self, module: str, stands_for: Collection[str], gives: Collection[str], known: Dict[str, str], whole: ast.AST
    ) -> None:
        self.module, self.stands_for, self.gives = module, stands_for, gives
        # Names in the source, and the names of the module that these are; "" is the module itself.
        self.known = dict(known)
        if isinstance(whole, _Function):
            for argument in ast.walk(whole.args):
                if isinstance(argument, ast.arg):
                    self.known.pop(argument.arg, None)
        for node in _inside(whole):
            self.learn(node)

    def learn(self, node: ast.AST) -> None:
        """Follow an import or an assignment."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == self.module:
                    self.known[alias.asname or self.module] = alias.name.partition(".")[2] if alias.asname else ""
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == self.module:
            for alias in node.names:
                self.known[alias.asname or alias.name] = _joined(node.module.partition(".")[2], alias.name)
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts, strict=False))
            for one, value in pairs:
                name = self.resolve(value)
                if name and isinstance(one, ast.Name):
                    self.known[one.id] = name

    def resolve(self, node: ast.AST) -> Optional[str]:
        """Give what an expression is in the module; "" if it is the module, None if it is none of it."""
        if isinstance(node, ast.Name):
            return "" if node.id in self.stands_for else self.known.get(node.id)
        if isinstance(node, ast.Attribute):
            return self._attribute(node.value, node.attr)
        if not isinstance(node, ast.Call):
            return None
        called = node.func.id if isinstance(node.func, ast.Name) else None
        if called in self.gives:
            return ""
        if called == "getattr" and isinstance(node.args[1], ast.Constant):
            return self._attribute(node.args[0], node.args[1].value)
        # An object has what its class has.
        made = self.resolve(node.func)
        return made if made and made.split(".")[-1][0].isupper() else None

    def _attribute(self, value: ast.AST, name: str) -> Optional[str]:
        if name in self.stands_for:
            return ""
        outer = self.resolve(value)
        return None if outer is None else _joined(outer, name)

    def uses(self, node: ast.AST, call: Optional[ast.Call] = None) -> Iterator[Use]:
        """Find the uses in an expression, a statement, or a whole source."""
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from self._imported(node)
            return
        if isinstance(node, (ast.Name, ast.Attribute)) or _is_getattr(node):
            name = self.resolve(node)
            if name:
                if not isinstance(getattr(node, "ctx", None), ast.Store):
                    yield Use(name, node.lineno, call)
                while isinstance(node, ast.Attribute):
                    node = node.value
                # What an object was made of.
                if isinstance(node, ast.Call) and not _is_getattr(node):
                    yield from self.uses(node)
                return
        for child in ast.iter_child_nodes(node):
            is_function = isinstance(child, _Function)
            scope = _Scope(self.module, self.stands_for, self.gives, self.known, child) if is_function else self
            yield from scope.uses(child, node if isinstance(node, ast.Call) and child is node.func else None)

    def _imported(self, node: Union[ast.Import, ast.ImportFrom]) -> Iterator[Use]:
        for alias in node.names:
            name = alias.name if isinstance(node, ast.Import) else f"{node.module}.{alias.name}"
            if name.startswith(f"{self.module}."):
                yield Use(name.partition(".")[2], node.lineno, None)


def _is_getattr(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr"


def _inside(whole: ast.AST) -> Iterator[ast.AST]:
    """Go through the nodes of a function, or of a source, but not through those of functions in it."""
    for node in ast.iter_child_nodes(whole):
        yield node
        if not isinstance(node, _Function):
            yield from _inside(node)


def _joined(outer: str, name: str) -> str:
    return f"{outer}.{name}" if outer else name

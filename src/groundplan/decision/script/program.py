"""The program: what the roots need, and nothing else, each thing compiled once and in order.

The subset of Python, which is what the rules are written in:

- modules that only define: constants, functions, NamedTuples and Structs, plain classes whose
  `__init__` sets fields; imports among them, `re` and `math`;
- functions of typed parameters, with assignments (to names, several at once, fields), `+=`,
  `append` to a list of their own, `if`, `for`, `return`, and `raise`, whose message is left out;
- literals of None, bool, int, float and str, tuples, lists, sets and dicts, stars in sequences;
- `and`, `or`, `not`, comparisons and their chains, `in`, `is` for None and bools, conditionals;
- `+ - * / // %` of numbers, `**` of integers, `+` of texts and sequences, `|` of sets;
- f-strings with the formats nothing, `,`, `.3f`, `,.3f` and `.3g`, the digits computed or not;
- lambdas and functions where a type is asked for; comprehensions and generators with one `for`;
- calls of these functions and records, of `len str int round min max sum any all next sorted
  tuple list set frozenset reversed`, of a few methods of texts and dicts, `re.fullmatch` and
  `math.isqrt`.

Types are inferred, so that each operator becomes what it means for its operands: an int is a
BigInt, a float a Number. What has no such meaning here, an iteration over a set for one, is
refused. That nothing optional is None where it is used is left to mypy.
"""

import ast
from collections.abc import Mapping
from typing import Final

from groundplan.decision.script import calls, containers, operators, text
from groundplan.decision.script.annotation import stated
from groundplan.decision.script.function import Body, Bound, Compiled, bind
from groundplan.decision.script.scope import (
    Code,
    Form,
    Global,
    Record,
    Scope,
    laid_out,
    local,
)
from groundplan.decision.script.source import Module, Read, Sources, read
from groundplan.decision.script.types import FLOAT, NONE, Type, bare, fits

_FORMS: Final[Mapping[type[ast.expr], Form]] = {
    ast.Constant: text.constant,
    ast.JoinedStr: text.formatted,
    ast.Name: containers.name,
    ast.Attribute: containers.attribute,
    ast.Tuple: containers.sequence,
    ast.List: containers.sequence,
    ast.Set: containers.set_of,
    ast.Dict: containers.dict_of,
    ast.ListComp: containers.comprehension,
    ast.GeneratorExp: containers.comprehension,
    ast.SetComp: containers.set_comprehension,
    ast.Subscript: containers.subscript,
    ast.BinOp: operators.binary,
    ast.UnaryOp: operators.unary,
    ast.BoolOp: operators.junction,
    ast.Compare: operators.comparison,
    ast.IfExp: operators.choice,
    ast.Call: calls.call,
    ast.Lambda: calls.lambda_,
}
"""The subset: the kinds of expression that there are."""
_RECORDS: Final = {"NamedTuple", "msgspec.Struct"}


class Program:
    """A program that grows by what is asked of it; `chunks` are its parts, in order of need.

    Args:
        read: the source text of a module by its name; those that are imported where not given.
    """

    def __init__(self, read: Read = read) -> None:
        self.chunks: list[str] = []
        self._sources = Sources(read)
        self._constants: dict[str, Code] = {}
        self._functions: dict[str, Compiled] = {}
        self._records: dict[str, Record] = {}
        self._open: list[str] = []
        self._owners: dict[str, str] = {}

    def root(self, module: str, name: str, *arguments: Type) -> str:
        """What the script calls a constant, or a function for arguments of these types."""
        home = self._sources.module(module)
        found = self.find(home, name)
        if found is None:
            raise LookupError(f"{module} has no {name}")
        if found.kind == "constant":
            return self.constant(found).text
        scope = Scope(self, home)
        names = [f"argument{place}" for place in range(len(arguments))]
        scope.names.update(zip(names, arguments, strict=True))
        loaded = ast.parse(f"{name}({', '.join(names)})", mode="eval").body
        return scope.code(loaded).text.partition("(")[0]

    def find(self, module: Module, name: str) -> Global | None:
        """What a name stands for at the top of a module; None where it is not ours."""
        found = self._sources.find(module, name)
        if found is None:
            return None
        home, inner = found
        if inner is None:
            return Global("module", home, home.name)
        match home.definitions.get(inner):
            case ast.FunctionDef():
                return Global("function", home, inner)
            case ast.ClassDef():
                return Global("record", home, inner)
            case None:
                return None
        return Global("constant", home, inner)

    def annotation(self, module: Module, node: ast.expr) -> Type:
        """The type that an annotation names."""
        return stated(self, module, node)

    def code(self, scope: Scope, node: ast.expr, wanted: Type | None) -> Code:
        """An expression of the subset.

        Raises:
            OutsideError: it is not of the subset; the message has the file and the line.
        """
        form = _FORMS.get(type(node))
        if form is None:
            raise scope.outside(node, f"an expression of this kind ({type(node).__name__})")
        return form(scope, node, wanted)

    def constant(self, found: Global) -> Code:
        """A constant of a module, compiled once."""
        name, value = self._name(found), found.module.definitions[found.name]
        assert isinstance(value, ast.expr)
        if name not in self._constants:
            self._enter(name, found, value)
            annotation = found.module.annotations.get(found.name)
            final = annotation is None or ast.unparse(annotation) == "Final"
            wanted = None if final or annotation is None else self._final(found, annotation)
            code = Scope(self, found.module).code(value, wanted)
            self._open.pop()
            if wanted is not None and not fits(code.type, wanted):
                raise found.module.outside(value, f"{code.type} where {wanted} is stated")
            place = found.module.place(value)
            self.chunks.append(f"// {place}\nconst {name} = {code.text};")
            self._constants[name] = Code(name, wanted or code.type)
        return self._constants[name]

    def _final(self, found: Global, node: ast.expr) -> Type:
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Final":
            node = node.slice
        return stated(self, found.module, node)

    def call(self, found: Global, scope: Scope, node: ast.Call) -> Code:
        """A call of a function, compiled once for each types of its arguments."""
        definition = found.module.definitions[found.name]
        assert isinstance(definition, ast.FunctionDef)
        if definition.decorator_list:
            raise found.module.outside(definition.decorator_list[0], "a decorator")
        callee = Scope(self, found.module)
        arguments = bind(scope, node, callee, definition.args)
        name = f"{self._name(found)}{arguments.suffix}"
        if name not in self._functions:
            self._enter(name, found, definition)
            self._functions[name] = self._function(name, definition, callee, arguments)
            self._open.pop()
            self.chunks.append(self._functions[name].text)
        return Code(laid_out(f"{name}(", arguments.texts, ")"), self._functions[name].result)

    def _function(
        self, name: str, node: ast.FunctionDef, scope: Scope, arguments: Bound
    ) -> Compiled:
        scope.names.update(arguments.types)
        wanted = None if node.returns is None else stated(self, scope.module, node.returns)
        # A function of floats may give what it is given: its values say which it is.
        body = Body(scope, node, None if wanted and bare(wanted) == FLOAT else wanted)
        lines = [line.replace("\n", "\n  ") for line in body.lines()]
        inner = "\n  ".join(lines)
        parameters = ", ".join(map(local, arguments.types))
        place = scope.module.place(node)
        return Compiled(
            f"// {place}\nfunction {name}({parameters}) {{\n  {inner}\n}}", name, body.result()
        )

    def record(self, name: str) -> Record:
        """A record by the dotted name of its type; a plain class has what `__init__` puts there."""
        if name not in self._records:
            module, _, short = name.rpartition(".")
            home = self._sources.module(module)
            node = home.definitions[short]
            assert isinstance(node, ast.ClassDef)
            plain = not node.bases
            if not plain and ast.unparse(node.bases[0]) not in _RECORDS:
                raise home.outside(node, "a class that is neither plain nor a NamedTuple or Struct")
            found = Record(name, home, {}, {}, plain)
            self._records[name] = found
            if plain:
                self._constructor(found, node)
            for field in node.body if not plain else []:
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    found.fields[field.target.id] = stated(self, home, field.annotation)
                    if field.value is not None:
                        found.defaults[field.target.id] = field.value
        return self._records[name]

    def _constructor(self, record: Record, node: ast.ClassDef) -> None:
        """The fields of a plain class; its constructor is compiled where some are not stated."""
        found = [one for one in node.body if isinstance(one, ast.FunctionDef)]
        init = next((one for one in found if one.name == "__init__"), None)
        if init is None:
            raise record.module.outside(node, "a class without __init__")
        writes = [one for one in ast.walk(init) if isinstance(one, ast.Assign | ast.AnnAssign)]
        for one in writes:
            if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Attribute):
                record.fields[one.target.attr] = stated(self, record.module, one.annotation)
        targets = [
            target for one in writes if isinstance(one, ast.Assign) for target in one.targets
        ]
        if not any(isinstance(target, ast.Attribute) for target in targets):
            return
        scope = Scope(self, record.module)
        for parameter in init.args.args[1:]:
            if parameter.annotation is None:
                raise record.module.outside(parameter, "a parameter without a type")
            scope.names[parameter.arg] = stated(self, record.module, parameter.annotation)
        parameters = ", ".join(map(local, scope.names))
        scope.names["self"] = Type("record", (), record.name)
        body = Body(scope, init, NONE, record)
        lines = ["const self = {};", *body.lines(), "return self;"]
        name = self._name(Global("record", record.module, record.name.rpartition(".")[2]))
        inner = "\n  ".join(lines)
        place = record.module.place(node)
        self.chunks.append(f"// {place}\nfunction {name}({parameters}) {{\n  {inner}\n}}")

    def construct(self, found: Global, scope: Scope, node: ast.Call) -> Code:
        """A new NamedTuple or Struct: an object with its fields."""
        type_ = Type("record", (), f"{found.module.name}.{found.name}")
        record = self.record(type_.name)
        if record.plain:
            raise scope.outside(node, "a new object of a plain class")
        given = dict(zip(record.fields, node.args, strict=False))
        given |= {str(keyword.arg): keyword.value for keyword in node.keywords}
        if not set(given) <= set(record.fields) or len(node.args) > len(record.fields):
            raise scope.outside(node, f"{found.name} has no such field")
        rows = []
        for field, wanted in record.fields.items():
            where, value = scope, given.get(field)
            if value is None:
                where, value = Scope(self, record.module), record.defaults.get(field)
            if value is None:
                raise scope.outside(node, f"{found.name} needs a value for {field}")
            code = where.code(value, wanted)
            if not fits(code.type, wanted):
                raise where.outside(value, f"{code.type} where {field} is {wanted}")
            rows.append(f"{field}: {code.text}")
        return Code(laid_out("{", rows, "}"), type_)

    def _name(self, found: Global) -> str:
        name = f"{found.module.short}${found.name}"
        if self._owners.setdefault(name, found.module.name) != found.module.name:
            raise LookupError(f"{name} is defined by {found.module.name} and {self._owners[name]}")
        return name

    def _enter(self, name: str, found: Global, node: ast.AST) -> None:
        if name in self._open:
            raise found.module.outside(node, f"{found.name} needs itself")
        self._open.append(name)

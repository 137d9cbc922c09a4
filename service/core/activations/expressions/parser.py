"""Parses a formula into a tree, by recursive descent over this grammar:

    sum      = product { ("+" | "-") product }
    product  = signed { ("*" | "/") signed }
    signed   = { "-" | "+" } power
    power    = atom [ ("^" | "**") signed ]                   -x^2 is -(x^2), and 2^3^2 is 2^(3^2)
    atom     = number | "x" | "pi" | "e" | "(" sum ")" | function "(" sum { "," sum } ")"
    function = exp log sqrt abs sign sin cos tanh atan sigmoid softplus erf relu, max min with two arguments, and the names of activations

The text is never executed. Limits on characters, nesting and nodes bound the cost of a formula.
"""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass

from service.core.activations.expressions.tree import (
    ADD,
    DIVIDE,
    ELEMENTARY,
    FUNCTIONS,
    MULTIPLY,
    NEGATE,
    POWER,
    SUBTRACT,
    Constant,
    Node,
    Operation,
    Variable,
)
from service.core.errors import InvalidValue

MAX_CHARACTERS, MAX_DEPTH, MAX_NODES = 200, 20, 100
FIELD = "activation.expression"

_CONSTANTS = {"pi": math.pi, "e": math.e}
_SUMS = {"+": ADD, "-": SUBTRACT}
_PRODUCTS = {"*": MULTIPLY, "/": DIVIDE}
_POWERS = ("^", "**")
_END = "the end"
_WHITESPACE = " \t\r\n"
_HELP = f"Use x, numbers, pi, e, + - * / ^, parentheses, {', '.join(ELEMENTARY)}, and the names of activations."
_TOKEN = re.compile(
    r"""[ \t\r\n]*(?:(?P<number>([0-9]++\.?[0-9]*+|\.[0-9]++)(e[+-]?[0-9]++)?)
               |(?P<name>[a-z_][a-z0-9_]*)
               |(?P<sign>\*\*|[-+*/^(),]))""",
    re.VERBOSE | re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    position: int  # of its first character, counted from 1


def parse(text: str) -> Node:
    """Parse a formula in x into a tree. Raises InvalidValue, which names the position.

    >>> import numpy as np
    >>> from service.core.activations.expressions import value_and_slope
    >>> value_and_slope(parse("x^2"), np.array([3.0]))
    (array([9.]), array([6.]))
    """
    if len(text) > MAX_CHARACTERS:
        raise _invalid(f"at most {MAX_CHARACTERS} characters", f"{len(text)} characters")
    parser = _Parser(_tokens(text))
    tree = parser.sum()
    parser.expect(_END)
    return tree


def _tokens(text: str) -> list[_Token]:
    tokens, start, end = [], 0, len(text.rstrip(_WHITESPACE))
    while start < end:
        token = _TOKEN.match(text, start)
        if token is None or token.lastgroup is None:
            rest = text[start:end].lstrip(_WHITESPACE)
            raise _invalid(f"a symbol of the grammar at position {end - len(rest) + 1}", rest[0])
        tokens.append(_Token(token.lastgroup, token[token.lastgroup].lower(), token.start(token.lastgroup) + 1))
        start = token.end()
    return [*tokens, _Token("end", _END, end + 1)]


def _invalid(expected: str, received: object, action: str = _HELP) -> InvalidValue:
    return InvalidValue(FIELD, expected=expected, received=received, action=action)


class _Parser:
    """A recursive-descent parser, one method per rule. Each method consumes its tokens and returns their tree."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._depth = 0
        self._nodes = 0

    def sum(self) -> Node:
        """Parse sum = product { ("+" | "-") product }."""
        tree = self._product()
        while operator := _SUMS.get(self._token.text):
            self._take()
            tree = self._node(Operation(operator, (tree, self._product())))
        return tree

    def expect(self, text: str) -> None:
        """Consume this token. Raises InvalidValue if the next token is a different one."""
        if self._token.text != text:
            raise self._unexpected("an operator or the end" if text == _END else f"'{text}'")
        self._take()

    def _product(self) -> Node:
        tree = self._signed()
        while operator := _PRODUCTS.get(self._token.text):
            self._take()
            tree = self._node(Operation(operator, (tree, self._signed())))
        return tree

    def _signed(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _invalid(f"at most {MAX_DEPTH} levels of nesting", f"more at position {self._token.position}", "Reduce the nesting.")
        if self._token.text in _SUMS:
            negative = self._take().text == "-"
            operand = self._signed()
            tree = self._node(Operation(NEGATE, (operand,))) if negative else operand
        else:
            tree = self._power()
        self._depth -= 1
        return tree

    def _power(self) -> Node:
        base = self._atom()
        if self._token.text not in _POWERS:
            return base
        self._take()
        return self._node(Operation(POWER, (base, self._signed())))

    def _atom(self) -> Node:
        match self._token.kind:
            case "number":
                return self._number()
            case "name":
                return self._identifier()
        if self._token.text != "(":
            raise self._unexpected("x, a number, a function or '('")
        self._take()
        tree = self.sum()
        self.expect(")")
        return tree

    def _number(self) -> Node:
        value = float(self._token.text)
        if math.isinf(value):
            raise self._unexpected("a number below 1e308")
        self._take()
        return self._node(Constant(value))

    def _identifier(self) -> Node:
        name = self._token.text
        if name in FUNCTIONS:
            return self._call()
        if name != "x" and name not in _CONSTANTS:
            near = difflib.get_close_matches(name, FUNCTIONS, n=1)
            raise self._unexpected("x, pi, e or a function", f"Did you mean '{near[0]}'?" if near else _HELP)
        self._take()
        return self._node(Variable() if name == "x" else Constant(_CONSTANTS[name]))

    def _call(self) -> Node:
        function = self._take()
        operator = FUNCTIONS[function.text]
        self.expect("(")
        operands = [self.sum()]
        while self._token.text == ",":
            self._take()
            operands.append(self.sum())
        self.expect(")")
        if len(operands) != operator.arity:
            arguments = f"{operator.arity} {'argument' if operator.arity == 1 else 'arguments'}"
            raise _invalid(f"{arguments} for {function.text} at position {function.position}", len(operands))
        return self._node(Operation(operator, tuple(operands)))

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._token
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _node(self, node: Node) -> Node:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _invalid(
                f"at most {MAX_NODES} numbers, names and operations", f"more at position {self._token.position}", "Shorten the formula."
            )
        return node

    def _unexpected(self, expected: str, action: str = _HELP) -> InvalidValue:
        return _invalid(f"{expected} at position {self._token.position}", self._token.text, action)

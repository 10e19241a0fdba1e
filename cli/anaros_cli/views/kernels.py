# SPDX-License-Identifier: Apache-2.0
"""Names of kernels in the room that there is: the function's own name stays whole."""

from __future__ import annotations

import re

from anaros_cli.views.format import shortened

_OPENS, _CLOSES = "<({[", ">)}]"
_SCOPE = re.compile(r"(?:\(anonymous namespace\)|[A-Za-z_]\w*)::")
#: What holds brackets that are none.
_WORD = re.compile(r"\(anonymous namespace\)(?=::)|operator(?:\(\)|\[\]|[-+*/%^&|~!=<>,]+)")

#: Of template arguments so many cells are worth their brackets.
_ARGUMENTS_MIN = 4


def shortened_kernel(name: str, columns: int) -> str:
    """A kernel's name, as C++ spells it or plain, in at most ``columns`` cells.

    What is returned and what is given go first, then namespaces, then template arguments from their
    end. Only a name that is too long in itself is cut, from its middle.
    """
    if len(name) <= columns:
        return name
    scopes, own, arguments = _parts(name)
    for text in ("".join(scopes) + own + arguments, own + _SCOPE.sub("", arguments)):
        if len(text) <= columns:
            return text
    room = columns - len(own) - len("<…>")
    if arguments and room >= _ARGUMENTS_MIN:
        return f"{own}<{_SCOPE.sub('', arguments)[1 : 1 + room]}…>"
    for text in (own + "<…>" if arguments else own, own):
        if len(text) <= columns:
            return text
    return shortened(own, columns)


def _parts(name: str) -> tuple[list[str], str, str]:
    """The scopes of a function, its own name and its template arguments."""
    depth, begin, at = 0, 0, 0
    scopes: list[str] = []
    arguments: int | None = None
    while at < len(name):
        letter = name[at]
        if not depth:
            if (word := _WORD.match(name, at)) is not None:
                at = word.end()
                continue
            if letter == "(":
                break
            if letter == " ":  # behind what is returned
                scopes, begin, arguments = [], at + 1, None
            elif name.startswith("::", at):
                scopes.append(name[begin : at + 2])
                begin, arguments = at + 2, None
                at += 1
            elif letter == "<":
                arguments = at
        if letter in _OPENS:
            depth += 1
        elif letter in _CLOSES and not name.startswith("->", at - 1):
            depth = max(depth - 1, 0)
        at += 1
    own, given = name[begin:at], ""
    if arguments is not None:
        own, given = name[begin:arguments], name[arguments:at]
    if own.startswith("operator") and scopes:
        # An operator is nobody without what it is of.
        own = scopes.pop() + own
    return scopes, own or name, given

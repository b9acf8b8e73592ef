"""How a generation says what it changes: CHANGES, a dictionary.

Function or configuration class -> parameter or field -> what it is:
    a type            required; of a field: its default is not public
    a type or None    None by default
    another value     the default, whose type it has
    (type, default)   both; for the type, a dictionary: an object, or what has the default's type
    a dictionary      an object with these fields, of a class named like the field
    OBJECT            of a parameter: an object of the class named like it, or None
    FILE_OR_OBJECT    likewise, or a path
    KEPT              as it was: says where new ones stand, which is behind it
    GONE              no longer there
"""

from typing import Any, get_args, get_origin

OBJECT, FILE_OR_OBJECT, KEPT, GONE = "OBJECT", "FILE_OR_OBJECT", "KEPT", "GONE"
REQUIRED = object()
Tree = dict[str, Any]


def merged(old: Tree, changes: Tree) -> Tree:
    """The older generation's names with the changes; new ones behind the one named before them."""
    names, before = list(old), None
    for name in changes:
        if name not in old:
            names.insert(names.index(before) + 1 if before else len(names), name)
        before = name
    result = {name: changes.get(name, KEPT) for name in names}
    for name, value in result.items():
        if isinstance(value, dict) or value is KEPT:
            result[name] = merged(old.get(name, {}), value) if value is not KEPT else old[name]
    return {name: value for name, value in result.items() if value is not GONE}


def read(value: Any) -> tuple[Any, Any]:
    """The type that a value stands for, or the fields of an object; its default or REQUIRED."""
    if isinstance(value, tuple):
        return value
    if isinstance(value, dict):
        return value, REQUIRED
    if value is None or type(None) in get_args(value):
        return value, None
    is_type = isinstance(value, type) or get_origin(value) is not None
    return (value, REQUIRED) if is_type else (type(value), value)


def camel(name: str) -> str:
    """`max_percentile` -> `MaxPercentile`."""
    return "".join(piece.capitalize() for piece in name.split("_"))

"""YAML as text: all scalars are strings, every value has a line, and a key that is given twice is an error."""

from __future__ import annotations

from typing import Any

import yaml
from yaml.reader import ReaderError

from streams.problems import Place

Tree = yaml.Node


class NotYaml(ValueError):
    """``line`` from 1, or 0 if unknown; ``mend`` says what to do."""

    def __init__(self, text: str, mend: str, line: int = 0) -> None:
        super().__init__(text)
        self.text, self.mend, self.line = text, mend, line


YAML_TAG = "tag:yaml.org,2002:"


class _Text(yaml.SafeLoader):
    """All scalars are text, but for nothing (null): no ``no`` becomes False, and no 08:30 a number."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own
        first: [pair for pair in resolvers if pair[0] in (YAML_TAG + "null", YAML_TAG + "merge")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    yaml_constructors = {  # noqa: RUF012 - PyYAML's own; None is for tags that are not known
        tag: yaml.SafeLoader.yaml_constructors[tag]
        for tag in (*(YAML_TAG + t for t in ("null", "str", "seq", "map")), None)
    }


def parse(text: str) -> tuple[Tree, Any]:
    """The tree, which knows lines, and the data. Raises :class:`NotYaml`."""
    try:
        loader = _Text(text)
        tree = loader.get_single_node()
        data = None if tree is None else loader.construct_document(tree)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = f"is not YAML: {error.problem or error.context}"
        mend = "write spaces instead of the tab" if "\\t" in what else "look at colons, quotes and indents"
        raise NotYaml(what, mend, mark.line + 1 if mark else 0) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise NotYaml("is not text: it holds control characters", "save it as plain text", line) from None
    except RecursionError:
        raise NotYaml("is nested too deeply", "write it as documented") from None
    if tree is None or data is None:
        raise NotYaml("is empty", "write what belongs there, or delete the file")
    return tree, data


def line_of(node: Tree, place: Place) -> int:
    """Where a place stands: the line of its key or item, of the nearest above it if it is not in the file itself."""
    line = node.start_mark.line
    for part in place:
        if isinstance(node, yaml.MappingNode):
            pairs = [(key, value) for key, value in node.value if key.value == str(part)]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            pairs = [(item, item) for item in node.value[part : part + 1]]
        else:
            continue
        if pairs:
            key, node = pairs[-1]
            line = key.start_mark.line
    return line + 1


def repeated_keys(node: Tree, seen: set[int]) -> list[tuple[int, str]]:
    """(line, key) of keys that their mapping has already: YAML takes the last one without a word."""
    if id(node) in seen or not isinstance(node, yaml.CollectionNode):
        return []
    seen.add(id(node))
    found: list[tuple[int, str]] = []
    keys: set[str] = set()
    for child in node.value:
        if isinstance(node, yaml.MappingNode):
            key, child = child
            if key.value in keys:
                found.append((key.start_mark.line + 1, key.value))
            keys.add(key.value)
        found += repeated_keys(child, seen)
    return found

"""YAML as people write settings: plain values only, no key twice, and 1e-3 is a number. No torch."""

import re
from typing import Any

from engine.errors import RequestError
from engine.spec.messages import as_text

# As JSON has numbers; YAML 1.1 takes 1e-3 for text. To the end: the library matches beginnings.
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+\Z")


def parse(text: str, shown: str) -> Any:
    """What a YAML document says, in plain values; RequestError, which calls the file `shown`, for one that is none.

    Aliases are refused: a small file of them stands for a large one.
    """
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                mark = self.peek_event().start_mark
                raise yaml.MarkedYAMLError(problem="aliases (*) are not read; write the value again", problem_mark=mark)
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen: set[Any] = set()
            for key_node, _ in node.value:
                key = self.construct_object(key_node, deep=True)
                if isinstance(key, str) and key in seen:
                    raise yaml.MarkedYAMLError(problem=f"the key {key!r} is there twice", problem_mark=node.start_mark)
                seen.add(key if isinstance(key, str) else None)
            return super().construct_mapping(node, deep)

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))
    try:
        return yaml.load(text, Loader)  # a safe one: it makes plain values only
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise RequestError(f"{shown} is not YAML: {line}{as_text(error.problem or error.context)}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RequestError(f"{shown} is not YAML: {as_text(' '.join(str(error).split()))}") from None

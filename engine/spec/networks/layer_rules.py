"""Which layers a request keeps: NAME, or NAME=SHARE of its channels. No torch."""

import math

from engine.spec import messages

_MOST_RULES = 1000


def parse(rule: str) -> tuple[str, float]:
    """NAME or NAME=SHARE as the pattern of names and the share of channels that stays, all of them where none is said.

    ValueError when it is neither.
    """
    pattern, given, share = (part.strip() for part in rule.partition("="))
    try:
        number = float(share) if given else 1.0
    except ValueError:
        number = math.nan
    if not pattern or "," in pattern or not 0 < number <= 1:
        raise ValueError(
            f"takes NAME, or NAME=SHARE with a share above 0 and at most 1, such as layer1.*=0.5 "
            f"(got {messages.quote(rule)})"
        )
    return pattern, number


def check(rule: str) -> str:
    """The rule without blanks around it; ValueError when it is none."""
    parse(rule)
    return rule.strip()


def check_all(rules: tuple[str, ...]) -> tuple[str, ...]:
    """The rules; ValueError when there are none or too many, or a name stands twice."""
    if not 1 <= len(rules) <= _MOST_RULES:
        raise ValueError(f"must name 1 to {_MOST_RULES} layers (got {len(rules)})")
    patterns = [parse(rule)[0] for rule in rules]
    twice = next((pattern for n, pattern in enumerate(patterns) if pattern in patterns[:n]), None)
    if twice is not None:
        raise ValueError(f"names {messages.quote(twice)} twice; each name may stand only once")
    return rules

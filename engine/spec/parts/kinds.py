"""The kinds of values that parts of a spec hold, and what all parts share. No torch."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Strict

from engine.spec.networks import layer_rules

_LONGEST_NAME = 255  # bytes that file systems take for one name


def _check_readable(text: str) -> str:
    try:
        names = text.encode().split(b"/")
    except UnicodeEncodeError:
        raise ValueError("holds characters that are not text; rename the file") from None
    if "\0" in text or max(map(len, names)) > _LONGEST_NAME:
        raise ValueError(f"holds a zero byte or a name of more than {_LONGEST_NAME} bytes, which no file has")
    return text


# No number is read from text, no whole number from true or 1.0, no text from bytes: what is stored is what was written.
Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict()]
Flag = Annotated[bool, Strict()]
Words = Annotated[str, Strict()]
Text = Annotated[Words, AfterValidator(_check_readable)]
Three = tuple[Number, Number, Number]
LayerRules = Annotated[
    tuple[Annotated[Text, AfterValidator(layer_rules.check)], ...], AfterValidator(layer_rules.check_all)
]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

"""What somebody else wrote, a board, a server or whoever made a results folder, made fit for a screen."""

_MOST_LAST = 1 << 16  # characters at the end of an output among which its last line is looked for


def printable(text: str, most: int = 4096) -> str:
    """Without what would break a line or a terminal, and not endless: whoever is at the other end may say anything."""
    return "".join(character for character in text[: 2 * most] if character.isprintable())[:most]


def last_line(text: str, most: int = 500) -> str:
    """The last line of an output that says something, which is where programs put why they failed; "" for none."""
    end = text.rstrip()[-_MOST_LAST:].lstrip()
    return printable((end.splitlines() or [""])[-1], most)


def one_line(text: str, most: int) -> str:
    """The whole on one line, cut to `most` characters with an ellipsis."""
    line = " ".join(printable(" ".join(text[: 4 * most].split()), most + 1).split())
    return line if len(line) <= most else line[: most - 1] + "…"

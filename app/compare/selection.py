"""Which models are compared: named by a link, or chosen on the page; the page's address is where they are kept.

An entry of the link is a point's id, or a group's (`app.compare.groups`).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from app import escape, text
from app.compare import groups
from app.tables import selection

QUERY = "points"
MOST = 6
LETTERS = "ABCDEF"
_KEY = "compare_points"
_MOST_OPTIONS = 1000  # models, with the groups of these; all labels of a list go to the browser
_MOST_NAMED = 3  # ids in a sentence


@dataclass(frozen=True)
class Request:
    """What an address asks for: entries that are there, at most `MOST`, others, and how many more it names."""

    ids: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    left_out: int = 0

    def complaint(self) -> str:
        """What of the link is not shown, in one line; empty where all of it is."""
        parts = []
        if self.unknown:
            more = f" and {len(self.unknown) - _MOST_NAMED} more" if len(self.unknown) > _MOST_NAMED else ""
            verb = "is" if len(self.unknown) == 1 else "are"
            named = ", ".join(escape.markdown(point, 60) for point in self.unknown[:_MOST_NAMED])
            parts.append(f"{named}{more} {verb} not among the results")
        if self.left_out:
            parts.append(f"at most {MOST} models are compared, and {self.left_out} more {_are(self.left_out)} left out")
        said = "; ".join(parts)
        return f"The link: {said}. The rest is shown." if said else ""


def link(ids: Iterable[str]) -> dict[str, str]:
    """The query parameters of the page that compares these entries, the first the reference.

    An entry is `<run_id>.<point>`, with `~seeds` behind it for the same setting over all its seeds.
    """
    return {QUERY: ",".join(ids)}


def parse(values: Iterable[str], known: Collection[str]) -> Request:
    """What the values of an address ask for, each one id or several with commas between them; each counts once."""
    named = dict.fromkeys(part.strip() for value in values for part in value.split(",") if part.strip())
    there = [entry for entry in named if groups.point_of(entry) in known]
    unknown = tuple(entry for entry in named if groups.point_of(entry) not in known)
    return Request(tuple(there[:MOST]), unknown, max(0, len(there) - MOST))


def choose(frame: pd.DataFrame) -> tuple[str, ...]:
    """The entries of the models to compare, from the address, and the list on the page that changes it."""
    request = parse(st.query_params.get_all(QUERY), set(frame["id"]))
    offered = frame[frame["final"] | frame["baseline"]].sort_values("created", ascending=False, kind="stable")
    if len(offered) > _MOST_OPTIONS:
        words = st.text_input(
            "Search",
            key="compare_search",
            icon=":material/search:",
            placeholder="criterion, network, data, seed, run",
            help=f"The list has the newest {_MOST_OPTIONS:,} of the {len(offered):,} models that fit.",
        )
        offered = matching(offered, words)
    offered = offered.head(_MOST_OPTIONS)
    labels = option_labels(frame, [*_offered_groups(frame, offered, request.ids), *offered["id"], *request.ids])
    st.session_state[_KEY] = list(request.ids)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.multiselect(
            "Models, the first one the reference",
            list(labels),
            format_func=lambda entry: labels.get(entry, entry),
            key=_KEY,
            max_selections=MOST,
            on_change=_remember,
            placeholder="Search for two to six models, or groups over seeds",
            select_all=False,
            width="stretch",
        )
        _offer_groups(frame, request.ids)
    if complaint := request.complaint():
        st.caption(f":material/link_off: {complaint}")
    return request.ids


def _offered_groups(frame: pd.DataFrame, offered: pd.DataFrame, entries: Sequence[str]) -> list[str]:
    """The groups of pruned models among those offered, but those that an entry names already."""
    named = [groups.members(frame, groups.point_of(entry)) for entry in entries if groups.is_group(entry)]
    known = {point for rows in named for point in rows["id"]}
    heads = groups.heads(offered[~offered["baseline"]])
    return [f"{point}{groups.SUFFIX}" for point in heads if point not in known]


def _offer_groups(frame: pd.DataFrame, entries: Sequence[str]) -> None:
    """The way from networks to their groups and back; nothing where neither changes what is compared."""
    grouped, single = groups.over_seeds(frame, entries), groups.single(entries)
    if len(grouped) > 1 and grouped != tuple(entries):
        st.button(
            "Over all seeds",
            icon=":material/stacked_line_chart:",
            help="Each model becomes the mean over all runs that differ from its own in nothing but the seed.",
            on_click=open_comparison,
            args=(grouped,),
        )
    elif len(single) > 1 and single != tuple(entries):
        st.button(
            "One seed each",
            icon=":material/show_chart:",
            help="Each group becomes the one network whose layers and images are shown.",
            on_click=open_comparison,
            args=(single,),
        )


def matching(frame: pd.DataFrame, words: str) -> pd.DataFrame:
    """The rows in which each of the words begins one, of the settings that name things, the seed or the run."""
    names = [frame[column].map(text.NAMES.get(column, str)) for column in ("criterion", "order", "model", "data_label")]
    seeds = frame["seed"].map("seed {}".format)
    texts = " " + frame["id"].str.cat([*names, seeds], sep=" ").str.lower()
    keep = pd.Series(True, index=frame.index)
    for word in words.lower().split():
        keep &= texts.str.contains(f" {word}", regex=False)
    return frame[keep]


def option_labels(frame: pd.DataFrame, entries: Iterable[str]) -> dict[str, str]:
    """Each entry's line in the list; those that read alike have their ids behind."""
    wanted = list(dict.fromkeys(entries))
    ids = frame["id"].isin([groups.point_of(entry) for entry in wanted])
    rows = {row["id"]: row for row in frame[ids].to_dict("records")}
    seeds = _counts_of_seeds(frame[frame["group"].isin(frame.loc[ids, "group"])])
    labels = {}
    for entry in wanted:
        row = rows[groups.point_of(entry)]
        words = groups.label(row, seeds[row["id"]]) if groups.is_group(entry) else text.point_label(row)
        labels[entry] = escape.plain(words)
    twice = pd.Series(labels, dtype=object)
    twice = twice[twice.duplicated(keep=False)]
    return labels | {entry: f"{label} · {groups.point_of(entry)}" for entry, label in twice.items()}


def _counts_of_seeds(frame: pd.DataFrame) -> dict[str, int]:
    return dict(zip(frame["id"], selection.over_seeds(frame, "top1")["n"].tolist(), strict=True))


def example(frame: pd.DataFrame) -> tuple[str, ...]:
    """A comparison to begin with: what a network was before pruning, the best model at half the MACs, and the worst of
    those that the same share of it was asked of; empty without one."""
    small = frame[frame["final"] & ~frame["baseline"] & ~frame["at_chance"] & (frame["macs"] <= frame["base_macs"] / 2)]
    ranking = small.dropna(subset=["top1"]).sort_values(["top1", "id"])
    if ranking.empty:
        return ()
    row = ranking.iloc[-1]
    best = row["id"]
    baseline = frame[(frame["run_id"] == row["run_id"]) & frame["baseline"]]
    alike = frame["final"] & ~frame["int8"]
    for column in ("model", "data", "metric", "keep"):
        alike &= frame[column] == row[column]
    others = frame[alike & (frame["id"] != best)].dropna(subset=["top1"]).sort_values("top1", kind="stable")
    return (*baseline["id"].head(1), best, *others["id"].head(1))


def open_comparison(ids: Sequence[str]) -> None:
    """Puts the entries into the address."""
    if ids:
        st.query_params[QUERY] = ",".join(ids)
    else:
        st.query_params.pop(QUERY, None)


def _remember() -> None:
    open_comparison(st.session_state[_KEY])


def _are(count: int) -> str:
    return "is" if count == 1 else "are"

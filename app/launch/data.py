"""The launch form's widgets for the data: its images, the domain that a network is carried over to, and how much."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.launch import fields
from app.launch.request import Wrong
from app.launch.uploads import path_field
from engine.spec import catalog
from engine.spec import run as specs
from engine.spec.catalog import DATASETS, Dataset, Root
from engine.uploads.shelf import Kind

_DEFAULT = specs.RunSpec()
_FOLDER, _NPZ = "folder:", "npz:"
_LABELS = {_FOLDER: "an image folder…", _NPZ: "an npz file…"}
_HINTS = {_FOLDER: "/path/with/train and test", _NPZ: "/path/to/data.npz"}
_FILES = {_FOLDER: "the image folder", _NPZ: "the npz file"}
_KINDS: dict[str, Kind] = {_FOLDER: "images", _NPZ: "arrays"}
_NO_TARGET = "none"
_TARGET_KEY, _LIMIT_KEY = "launch_target", "launch_limit"
_FEW = 200  # images of a quick trial


def draw(head: Any, given: bool) -> dict[str, Any]:
    """The keys `data` and, where there is a target, `transfer` of the request; the popovers in `head` hold the rest.

    `given`: there are weights to start from.
    """
    names = st.container(horizontal=True, gap="small")
    with names:
        source = _dataset("Images", [*DATASETS, *_LABELS], "launch_data")
        target = _target(source)
    paths = [(source, _path("Path", source, "launch_path"))]
    if target is None:
        if source in DATASETS:
            st.caption(DATASETS[source].summary)
        return {"data": _named(paths) | _of_kinds([source]) | _sizes(head)}
    paths.append((target, _path("Target path", target, "launch_target_path")))
    st.caption("Learns from labelled images and from unlabelled ones of the target; every point is tested on both.")
    transfer = _transfer(given)
    return {"data": _named(paths) | _of_kinds([source, target]) | _sizes(head), "transfer": transfer}


def _named(paths: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The name of the images, each half with its path; or that a path is not there yet."""
    for kind, path in paths:
        if kind in _HINTS and not path:
            return {"name": Wrong("data.name", f"give the path of {_FILES[kind]}", missing=True)}
    return {"name": ">".join(kind + path for kind, path in paths)}


def _dataset(label: str, names: Sequence[str], key: str, help: str | None = None) -> str:
    return st.selectbox(
        label,
        names,
        format_func=lambda name: _LABELS.get(name, catalog.title_of(name)),
        key=key,
        persist_state="session",
        help=help,
    )


def _target(source: str) -> str | None:
    """What the network is carried over to; None where it stays on the images that it is trained on."""
    options = [_NO_TARGET, *_targets(source)]
    if st.session_state.get(_TARGET_KEY) not in (None, *options):  # the source has other classes now
        del st.session_state[_TARGET_KEY]
    target = _dataset(
        "Target",
        options,
        _TARGET_KEY,
        "Images of the same classes from elsewhere, such as digits for mnist5k: the network is carried over to them. "
        "Their labels are read for the final test alone.",
    )
    return None if target == _NO_TARGET else target


def _targets(source: str) -> list[str]:
    """What may have the same classes as the source, as far as names say."""
    if source not in DATASETS:
        return [*DATASETS, *_LABELS]
    own = DATASETS[source]
    return [*(name for name, other in DATASETS.items() if name != source and _may_match(own, other)), *_LABELS]


def _may_match(one: Dataset, other: Dataset) -> bool:
    if one.names and other.names:
        return sorted(one.names) == sorted(other.names)
    return one.classes == other.classes


def _path(label: str, name: str, key: str) -> str:
    """What was typed behind a prefix; nothing behind a dataset's name."""
    if name not in _HINTS:
        return ""
    return path_field.draw(label, _KINDS[name], f"{key}_{name}", _HINTS[name])


def _of_kinds(names: Sequence[str]) -> dict[str, Any]:
    """What only some kinds of data ask for."""
    settings: dict[str, Any] = {}
    if _NPZ in names:
        settings["labels"] = _text(
            "Labels",
            "launch_labels",
            "numbers from 0 without a gap",
            "What other numbers mean: from-1, ignore-255, compact or as-is, several joined by +.",
        )
    roots = {name: root for name in names if name in DATASETS and (root := DATASETS[name].root) is not None}
    if roots:
        typed = st.text_input("Folder of the data", key="launch_root", persist_state="session").strip()
        settings["root"] = typed or _missing_root(roots)
    return settings


def _missing_root(roots: Mapping[str, Root]) -> Wrong | None:
    """That a folder is not there yet; None where its place has a default."""
    for name, root in roots.items():
        if root.requirement:
            sentence = f"{catalog.title_of(name)} needs a folder: {root.requirement}"
            return Wrong("data.root", sentence, missing=True)
    return None


def _transfer(given: bool) -> dict[str, Any]:
    """How the network is carried over; the popover holds numbers that few change."""
    default = _DEFAULT.transfer
    row = st.container(horizontal=True, gap="small", vertical_alignment="center")
    adversarial = row.toggle(
        "Adversarial",
        default.adversarial,
        key="launch_adversarial",
        persist_state="session",
        help="Train the baseline, and recover, so that features do not tell the domains apart.",
    )
    pseudo_labels = row.toggle(
        "Pseudo-labels",
        default.pseudo_labels,
        key="launch_pseudo_labels",
        persist_state="session",
        help="Judge and recover by target images that the network itself names with confidence, too.",
    )
    settings: dict[str, Any] = {"adversarial": adversarial, "pseudo_labels": pseudo_labels}
    adapts = given and adversarial
    if adapts or pseudo_labels:
        with row.popover("Transfer", icon=":material/tune:", type="tertiary"):
            settings |= _adaptation() if adapts else {}
            settings |= _confidence() if pseudo_labels else {}
    return settings


def _adaptation() -> dict[str, Any]:
    epochs = fields.whole(
        "Epochs of adapting",
        _DEFAULT.transfer.adapt_epochs,
        "launch_adapt",
        help="Before pruning, in which weights that know nothing of the target are carried over to it.",
    )
    return {"adapt_epochs": epochs}


def _confidence() -> dict[str, Any]:
    default = _DEFAULT.transfer
    return {
        "confidence": fields.number(
            "Least confidence",
            default.confidence,
            "launch_confidence",
            step=0.1,
            help="Images that the network names with less get no pseudo-label.",
        ),
        "refresh": fields.whole(
            "Made anew every", default.refresh, "launch_refresh", help="Epochs, or steps of an iterative method."
        ),
        "balance": st.toggle(
            "Balance the classes",
            default.balance,
            key="launch_balance",
            persist_state="session",
            help="No class has more pseudo-labels than the mean of all classes; the most confident ones stay.",
        ),
    }


def _sizes(head: Any) -> dict[str, Any]:
    return {"image_size": _image_size(head), **_fewer_images(head)}


def _image_size(head: Any) -> str | None:
    with head.popover("Size", icon=":material/tune:", type="tertiary"):
        return _text(
            "Image size",
            "launch_size",
            "the data's or the network's own",
            "Pixels: 224, or 160x224 (height × width). Images keep their aspect and are cut at the centre.",
        )


def _fewer_images(head: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    with head.popover("Fewer images", icon=":material/tune:", type="tertiary"):
        settings["limit"] = fields.whole(
            "Use only the first", None, _LIMIT_KEY, placeholder="all", help="Images of each split, for a quick trial."
        )
        st.button(f"The first {_FEW}", icon=":material/speed:", type="tertiary", on_click=_use_few)
        settings["val_fraction"] = fields.number(
            "Validation share of train", _DEFAULT.data.val_fraction, "launch_val", placeholder="0.1, or 10 %"
        )
    return settings


def _use_few() -> None:
    st.session_state[_LIMIT_KEY] = fields.shown(_FEW)


def _text(label: str, key: str, placeholder: str, help: str) -> str | None:
    text = st.text_input(label, placeholder=placeholder, key=key, persist_state="session", help=help)
    return text.strip() or None

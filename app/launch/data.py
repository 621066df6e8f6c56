"""The launch form's widgets for the data: its images, the domain that a network is carried over to, and how much."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from engine.spec import run as specs
from engine.spec.catalog import DATASETS, Dataset

_DEFAULT = specs.RunSpec()
_FOLDER, _NPZ = "folder:", "npz:"
_LABELS = {_FOLDER: "an image folder…", _NPZ: "an npz file…"}
_HINTS = {_FOLDER: "/path/with/train and test", _NPZ: "/path/to/data.npz"}
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
    settings = {"name": source + _path("Path", source, "launch_path")}
    if target is None:
        if source in DATASETS:
            st.caption(DATASETS[source].summary)
        return {"data": settings | _of_kinds([source]) | _sizes(head)}
    settings["name"] += f">{target}{_path('Target path', target, 'launch_target_path')}"
    st.caption("Learns from labelled images and from unlabelled ones of the target; every point is tested on both.")
    transfer = _transfer(given)
    return {"data": settings | _of_kinds([source, target]) | _sizes(head), "transfer": transfer}


def _dataset(label: str, names: Sequence[str], key: str, help: str | None = None) -> str:
    return st.selectbox(
        label, names, format_func=lambda name: _LABELS.get(name, name), key=key, persist_state="session", help=help
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
    return st.text_input(label, placeholder=_HINTS[name], key=f"{key}_{name}", persist_state="session").strip()


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
    if any(name in DATASETS and DATASETS[name].root is not None for name in names):
        root = st.text_input("Folder of the data", key="launch_root", persist_state="session").strip()
        settings["root"] = root or None
    return settings


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
    epochs = st.number_input(
        "Epochs of adapting", 0, 1000, _DEFAULT.transfer.adapt_epochs, key="launch_adapt", persist_state="session",
        help="Before pruning, in which weights that know nothing of the target are carried over to it.",
    )  # fmt: skip
    return {"adapt_epochs": epochs}


def _confidence() -> dict[str, Any]:
    default = _DEFAULT.transfer
    return {
        "confidence": st.number_input(
            "Least confidence", 0.0, 0.9999, default.confidence, 0.05, format="%g", key="launch_confidence",
            persist_state="session", help="Images that the network names with less get no pseudo-label.",
        ),
        "refresh": st.number_input(
            "Made anew every", 1, 100_000, default.refresh, key="launch_refresh", persist_state="session",
            help="Epochs, or steps of an iterative method.",
        ),
        "balance": st.toggle(
            "Balance the classes", default.balance, key="launch_balance", persist_state="session",
            help="No class has more pseudo-labels than the mean of all classes; the most confident ones stay.",
        ),
    }  # fmt: skip


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
        settings["limit"] = st.number_input(
            "Use only the first",
            1,
            None,
            None,
            key=_LIMIT_KEY,
            persist_state="session",
            placeholder="all",
            help="Images of each split, for a quick trial.",
        )
        st.button(f"The first {_FEW}", icon=":material/speed:", type="tertiary", on_click=_use_few)
        settings["val_fraction"] = st.number_input(
            "Validation share of train",
            0.01,
            0.9,
            _DEFAULT.data.val_fraction,
            0.05,
            key="launch_val",
            persist_state="session",
        )
    return settings


def _use_few() -> None:
    st.session_state[_LIMIT_KEY] = _FEW


def _text(label: str, key: str, placeholder: str, help: str) -> str | None:
    text = st.text_input(label, placeholder=placeholder, key=key, persist_state="session", help=help)
    return text.strip() or None

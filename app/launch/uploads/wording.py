"""What is said of uploads."""

from app import format
from engine.storage.files import MIB
from engine.uploads.limits import MOST_BYTES, MOST_ENTRIES, MOST_UNPACKED
from engine.uploads.shelf import Kind, Upload

WANTED: dict[Kind, str] = {
    "weights": "A state dict or checkpoint, as PyTorch or safetensors save it. No code in it is run.",
    "arrays": "An npz archive with `train_images` and `train_labels`; `val_…` and `test_…` where there are some.",
    "images": "A zip of images, in a folder for each class; or in `train`, `val` and `test` with such folders in them.",
}


def limits(kind: Kind) -> str:
    """How large a file may be, and what to do with a larger one."""
    unpacked = f", unpacked {MOST_UNPACKED // MIB:,} MB in {MOST_ENTRIES:,} files" if kind == "images" else ""
    return f"At most {MOST_BYTES // MIB} MB{unpacked}. What is larger is named by its path, without an upload."


def line(upload: Upload) -> str:
    """An upload in a list, or below its path."""
    return f"{upload.name}, uploaded {format.clock(upload.at)}"

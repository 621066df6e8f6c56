"""What the calls in a checkpoint's pickle come to: tensors, dictionaries, or objects left asleep. No torch."""

import re
from typing import Any

from engine.zoo.checkpoints import arrays
from engine.zoo.checkpoints.values import BrokenError, Foreign, Global, OddTensor, Storage, TensorRef, storage_kind

_DICTIONARIES = re.compile(r"collections\.(OrderedDict|defaultdict)|(__builtin__|builtins)\.dict")
_PARAMETERS = re.compile(r"torch\.nn\.parameter\.(Parameter|Buffer)|torch\.nn\.Parameter|torch\.(_tensor\.)?Tensor")
_TYPE = re.compile(r"torch\.([a-z]\w*)")
_ODD = {
    "torch._utils._rebuild_qtensor": "a quantised tensor",
    "torch._utils._rebuild_nested_tensor": "a nested tensor",
    "torch._utils._rebuild_sparse_tensor": "a sparse or empty tensor",
    "torch._utils._rebuild_sparse_csr_tensor": "a sparse or empty tensor",
    "torch._utils._rebuild_meta_tensor_no_storage": "a sparse or empty tensor",
    "torch._utils._rebuild_device_tensor_from_numpy": "a tensor of another device",
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": "a tensor of another device",
    "torch._utils._rebuild_wrapper_subclass": "a tensor of a class of its own",
}
_FIRST = ("torch.jit._pickle.restore_type_tag", "torch._utils._rebuild_parameter_with_state")
_LOADED = "torch.storage._load_from_bytes"
# Calls that everyday checkpoints hold beside their weights, and that mean nothing but a value.
_EVERYDAY = re.compile(
    r"numpy\.dtype|numpy\._?core\.(multiarray\.(scalar|_reconstruct)|numeric\._frombuffer)|numpy\.random\.\w+\.\w+"
    r"|pathlib(\._local)?\.(Pure)?(Posix|Windows)?Path|datetime\.(datetime|date|time|timedelta|timezone)"
    r"|collections\.(Counter|deque)|(__builtin__|builtins)\.(set|frozenset|complex|slice|range)|_codecs\.encode"
    r"|torch\.(Size|device|dtype)|torch\.serialization\._get_layout|decimal\.Decimal|fractions\.Fraction|uuid\.UUID"
)


def is_everyday(value: Foreign) -> bool:
    """Whether an object beside the weights is a value, such as a path or a number of NumPy's, or just an instance."""
    return not value.called or bool(_EVERYDAY.fullmatch(value.name))


def persistent(id_: Any) -> Any:
    """What torch's id in a pickle stands for: a storage, or a class that was saved with its source."""
    if isinstance(id_, tuple) and len(id_) >= 2 and id_[0] == "module":
        return id_[1]
    if not (isinstance(id_, tuple) and len(id_) >= 5 and id_[0] == "storage"):
        raise BrokenError
    kind, key, count = id_[1], id_[2], _whole(id_[4])
    if not isinstance(kind, Global):
        raise BrokenError
    storage = Storage(str(key)[:100], storage_kind(kind.name), count)
    view = id_[5] if len(id_) > 5 else None
    if view is None:
        return storage
    if not (isinstance(view, tuple) and len(view) == 3):
        raise BrokenError
    return Storage(storage.key, storage.kind, count, start=_whole(view[1]))


def instance(kind: Any, arguments: Any) -> Foreign:
    """An instance of a class, of which nothing is made."""
    name = kind.name if isinstance(kind, Global | Foreign) else "an unnamed class"
    return Foreign(name, arguments if isinstance(arguments, tuple) else ())


def call(called: Any, arguments: tuple[Any, ...]) -> Any:
    """What a call comes to, which is not made."""
    if not isinstance(called, Global):
        return Foreign("what another call gives", arguments, called=True)
    name = called.name
    if _DICTIONARIES.fullmatch(name):
        return _dictionary(arguments)
    if name in ("copyreg._reconstructor", "copy_reg._reconstructor", "copyreg.__newobj__", "copy_reg.__newobj__"):
        return instance(arguments[0], ())
    if name in _ODD:
        return OddTensor(_ODD[name])
    if name.startswith("torch._utils._rebuild_tensor"):
        return _tensor(name, arguments)
    if name == "torch._tensor._rebuild_from_type_v2":
        return _of_type(arguments)
    is_wrapper = name in _FIRST or name == "torch._utils._rebuild_parameter" or _PARAMETERS.fullmatch(name)
    if is_wrapper and arguments and isinstance(arguments[0], TensorRef | OddTensor | dict | list):
        return arguments[0]
    return Foreign(name, arguments, called=True)


def _dictionary(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    """A dictionary: empty, of pairs as Python 2 wrote them, or with a function for what is missing."""
    pairs = arguments[0] if arguments and isinstance(arguments[0], list | tuple) else ()
    found: dict[Any, Any] = {}
    for pair in pairs:
        if not (isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[0], str)):
            raise BrokenError
        found[pair[0]] = pair[1]
    return found


def _of_type(arguments: tuple[Any, ...]) -> Any:
    """A tensor of some class: a plain one or a parameter with attributes is a tensor, others are none of ours."""
    function, kind, inner = arguments[:3]
    if isinstance(kind, Global) and _PARAMETERS.fullmatch(kind.name) and isinstance(inner, tuple):
        return call(function, inner)
    return OddTensor("a tensor of a class of its own")


def _tensor(name: str, arguments: tuple[Any, ...]) -> TensorRef | OddTensor:
    storage, offset, size, stride = arguments[:4]
    if isinstance(storage, Foreign) and storage.name == _LOADED:
        storage = _loaded(storage)
    if not isinstance(storage, Storage):
        raise BrokenError
    kind = storage.kind
    if name.endswith("_v3"):
        kind = _type_name(arguments[6])
    if kind is None:
        raise BrokenError
    sizes, strides = tuple(map(_whole, size)), tuple(map(_whole, stride))
    if len(sizes) != len(strides):
        raise BrokenError
    return TensorRef(storage, kind, _whole(offset) + storage.start, sizes, strides)


def _loaded(storage: Foreign) -> Storage:
    """A storage as Python's own pickle has it: torch's file of it in a string of bytes, which is read once."""
    from engine.zoo.checkpoints import streams  # which reads pickles, and they come here

    if storage.state is None:
        storage.state = streams.inner_storage(arrays.content_of(storage.arguments[0]))
    if not isinstance(storage.state, Storage):
        raise BrokenError
    return storage.state


def _type_name(value: Any) -> str:
    match = _TYPE.fullmatch(value.name) if isinstance(value, Global) else None
    if match is None:
        raise BrokenError
    return match[1]


def _whole(value: Any) -> int:
    """A number from 0 to 2⁶³; BrokenError for anything else."""
    if type(value) is not int or not 0 <= value < 2**63:
        raise BrokenError
    return value

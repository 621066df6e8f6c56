"""How a process ends."""

import gc
import sys
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """Ends this process with an exit status, as `sys.exit` does and at once.

    Python looks for garbage before it ends, in all that PyTorch has brought: half a second for nothing, as the memory
    goes back with the process. Here it is told to leave that out. What is printed is flushed and what was registered
    with `atexit` is called; a file that is still open is not flushed, so none may be.
    """
    gc.freeze()
    sys.exit(code)

"""The cache as a run sees it: what another run has computed under the very same conditions is taken from there."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from engine.errors import WorkError
from engine.measure import code
from engine.pipeline.network import Network
from engine.pipeline.shared import digests
from engine.pipeline.shared.entry import Entry
from engine.storage.cache.cache import Cache, Key
from engine.storage.folders.run import Run

_OF_THIS_RUN = ("seed", "memory_bytes")  # in the record of conditions, and without a part in what comes out


@dataclass(frozen=True)
class Sharing:
    """A run's access to the cache of its results folder; `conditions` are what every entry depends on.

    The versions, the processor, the threads and the device that the run records, and the code.
    """

    cache: Cache
    conditions: Mapping[str, Any]
    run: Run

    @classmethod
    def of(cls, run: Run) -> "Sharing":
        """Of a run that has recorded its conditions."""
        env = {name: value for name, value in run.env().items() if name not in _OF_THIS_RUN}
        return cls(Cache(run.root), {**env, "code": code.digest()}, run)

    def key(self, kind: str, network: Network | None, parts: Mapping[str, Any]) -> Key:
        """The key of something that also depends on a network's plan and weights, and on `parts`."""
        of_network = None
        if network is not None:
            of_network = {"plan": network.plan.to_json(), "weights": digests.of_module(network.module)}
        return Key.of(kind, {"conditions": dict(self.conditions), "network": of_network, **parts})

    def find(self, key: Key) -> Entry | None:
        """What is there."""
        data = None if self.cache.is_off else self.cache.read(key)
        return None if data is None else Entry.from_bytes(data)

    def keep(self, key: Key, entry: Entry) -> None:
        """Have it there for others. Where that does not work the run's log says why, and the run goes on."""
        if self.cache.is_off:
            return
        try:
            self.cache.write(key, entry.to_bytes())
        except WorkError as error:
            self.run.write_log(f"not kept in the cache: {error}")

    def obtain(self, key: Key, what: str, compute: Callable[[], Entry]) -> tuple[Entry, bool]:
        """What is there, or what `compute` gives, which is then there for others; and whether it was there.

        Of several processes that ask for the same at once one computes, and the others wait for it.
        """
        found = self.find(key)
        if found is not None:
            return found, True
        if self.cache.is_off:
            return compute(), False
        with self.alone(key, what):
            found = self.find(key)
            if found is not None:
                return found, True
            computed = compute()
            self.keep(key, computed)
            return computed, False

    @contextmanager
    def alone(self, key: Key, what: str) -> Iterator[None]:
        """Others that are about to compute the same wait; where there can be no lock, nobody does."""
        with ExitStack() as stack:
            try:
                if not self.cache.is_off:
                    stack.enter_context(self.cache.alone(key, lambda: self._say_waiting(what)))
            except WorkError as error:
                self.run.write_log(f"computed beside others: {error}")
            yield

    def _say_waiting(self, what: str) -> None:
        self.run.say(f"waiting for another run, which is at work on the same {what}")

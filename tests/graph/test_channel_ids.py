"""Which identities are one and the same, against SciPy's connected components."""

import numpy as np
import pytest
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from engine.graph.channel_ids import Identities, smallest_joined


def by_scipy(count: int, pairs: torch.Tensor) -> torch.Tensor:
    rows, columns = pairs.numpy()
    links = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    number, label = connected_components(links, directed=False)
    smallest = np.full(number, count)
    np.minimum.at(smallest, label, np.arange(count))
    return torch.from_numpy(smallest[label])


@pytest.mark.parametrize("count", [1, 2, 7, 60, 3000])
@pytest.mark.parametrize("share", [0.1, 0.4, 0.6, 2.0])
def test_each_is_the_smallest_of_those_that_chains_of_pairs_join(count: int, share: float) -> None:
    for seed in range(5):
        pairs = torch.randint(count, (2, int(share * count)), generator=torch.Generator().manual_seed(seed))
        assert torch.equal(smallest_joined(count, pairs), by_scipy(count, pairs))


def test_a_chain_in_any_order_is_one() -> None:
    order = torch.randperm(1000, generator=torch.Generator().manual_seed(0))
    assert not smallest_joined(1000, torch.stack([order[:-1], order[1:]])).any()


def test_identities_that_nothing_joins_are_their_own() -> None:
    ids = Identities()
    first, second = ids.fresh(2), ids.fresh(3)
    assert ids.canonical().tolist() == [0, 1, 2, 3, 4]
    ids.join(second[1:], first)
    assert ids.canonical().tolist() == [0, 1, 2, 0, 1]

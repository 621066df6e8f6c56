"""Why a pruned network is not faster: the layers of both networks, timed here or on a board, and the reasons."""

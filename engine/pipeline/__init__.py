"""A spec in, a trajectory of measured points out; and its steps by themselves."""

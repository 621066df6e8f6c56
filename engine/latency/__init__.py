"""How long a layer or a network takes on this host, and tables that predict it."""

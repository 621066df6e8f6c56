"""Charts as pure functions: tables in, Plotly figures out."""

"""The table beside the chart, page by page, and the order of its rows."""

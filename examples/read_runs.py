"""Every measured point in a table: the best network of each run with at most half of its baseline's MACs."""

import engine

points = engine.runs()
small = points[points["final"] & ~points["baseline"] & (points["macs_share"] <= 0.5)]
best = small.sort_values("top1").groupby("run_id").tail(1)
print(best[["id", "model", "criterion", "order", "macs_share", "top1"]].to_string(index=False))

"""A network trained on MNIST's sample, carried over to scikit-learn's digits without their labels, at half its MACs.

    python examples/prune_for_transfer.py [EPOCHS]

A few minutes with 15 epochs; nothing is downloaded.
"""

import subprocess
import sys
import tempfile

import engine

epochs = sys.argv[1] if len(sys.argv) > 1 else "15"
with tempfile.TemporaryDirectory() as results:
    request = ["--data", "mnist5k>digits", "--image-size", "16", "--train-epochs", epochs, "--confidence", "0.5"]
    method = ["--order", "channels", "--criterion", "l1", "--keep", "0.5", "--recover-epochs", "2"]
    command = [sys.executable, "-m", "engine", "run", *request, *method, "--results", results]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    points = engine.runs(results)
    print(points[["stage", "macs", "source_top1", "target_top1"]].to_string(index=False))

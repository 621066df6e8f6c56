"""A network trained on MNIST's sample, carried over to scikit-learn's digits without their labels, at half its MACs.

    python examples/prune_for_transfer.py [EPOCHS]

Nothing is downloaded. One epoch on 100 images shows how it is done in seconds; 15 on all of them, what it comes to.
"""

import subprocess
import sys
import tempfile

import engine

training = ["--train-epochs", sys.argv[1]] if len(sys.argv) > 1 else ["--train-epochs", "1", "--limit", "100"]
with tempfile.TemporaryDirectory() as results:
    request = ["--data", "mnist5k>digits", "--image-size", "16", *training, "--confidence", "0.15"]
    method = ["--order", "channels", "--criterion", "l1", "--keep", "0.5", "--recover-epochs", "1"]
    command = [sys.executable, "-m", "engine", "run", *request, *method, "--results", results]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    points = engine.runs(results)  # those of the gallery, too
    carried = points[points["target_top1"].notna()]
    print(carried[["stage", "macs", "source_top1", "target_top1"]].to_string(index=False))

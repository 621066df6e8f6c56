import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from engine.errors import RequestError
from engine.measure import machine


def test_the_environment_is_json_with_versions_hardware_threads_and_seed():
    env = json.loads(json.dumps(machine.environment(threads=2, seed=7)))
    assert env["torch"] == torch.__version__.split("+")[0]
    assert (env["threads"], env["seed"], env["device"]) == (2, 7, "cpu")
    assert env["cores"] >= 1
    assert env["memory_bytes"] > 0
    assert all(env[key] for key in ("espalier", "python", "onnxruntime", "cpu", "device_name"))


def test_the_processor_is_named_as_the_system_names_it(tmp_path: Path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: A Fast One @ 3 GHz\n")
    assert machine.cpu_model(cpuinfo) == "A Fast One @ 3 GHz"


def test_a_processor_without_a_name_is_known_by_its_architecture(tmp_path: Path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nCPU architecture: 8\n")
    assert machine.cpu_model(cpuinfo)


@pytest.mark.parametrize(("present", "device"), [(True, "cuda"), (False, "cpu")])
def test_auto_takes_cuda_where_there_is_one(monkeypatch: pytest.MonkeyPatch, present: bool, device: str):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: present)
    assert machine.resolve_device("auto") == device
    assert machine.resolve_device("cpu") == "cpu"


def test_cuda_that_is_absent_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RequestError, match="no CUDA GPU"):
        machine.resolve_device("cuda")


def test_an_unknown_device_is_refused():
    with pytest.raises(RequestError, match="allowed: auto, cpu, cuda"):
        machine.resolve_device("tpu")


def test_importing_it_does_not_import_torch():
    code = (
        "import sys, engine.measure.machine; engine.measure.machine.environment(1, 0); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

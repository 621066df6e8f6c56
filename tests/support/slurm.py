"""A SLURM of one computer: sbatch, srun, squeue, scancel and scontrol as far as Espalier and submitit use them.

`installed(FOLDER)` makes the commands. They keep jobs as JSON files in the folder, and start real processes.
The standard library alone, as each call is a process. `python tests/support/slurm.py FOLDER COMMAND …` is one of them.
"""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

COMMANDS = ("sbatch", "srun", "squeue", "scancel", "scontrol")
PARTITIONS = ("debug", "gpu")
MAX_ARRAY = 2
LIVING = ("PENDING", "RUNNING", "COMPLETING")
HOST = "n1"
_KILL_SECONDS = 5.0


def installed(folder: Path) -> Path:
    """Makes the commands in a folder, which is to be put into PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in COMMANDS:
        script = folder / name
        words = shlex.join([sys.executable, "-SEs", str(Path(__file__).resolve()), str(folder), name])
        script.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        script.chmod(0o755)
    return folder


def jobs(folder: Path) -> list[dict[str, Any]]:
    """All jobs there have ever been, in the order of their submission."""
    found = [json.loads(path.read_text()) for path in folder.glob("job-*.json")]
    return sorted(found, key=lambda job: (int(job["id"].partition("_")[0]), job["id"]))


def submission(folder: Path, number: int) -> str:
    """The text of the script that was submitted as the array of that number."""
    return (folder / f"script-{number}.sh").read_text()


def hold(folder: Path, held: bool) -> None:
    """Whether jobs wait for a node."""
    if held:
        (folder / "hold").touch()
    else:
        (folder / "hold").unlink()


def preempt(folder: Path, job: dict[str, Any]) -> None:
    """Tells a job's step that its node is wanted, as SLURM does before the end of a job's time."""
    os.kill(json.loads((folder / f"job-{job['id']}.json").read_text())["step"], signal.SIGUSR2)


def _change(folder: Path, job: str, **changes: object) -> dict[str, Any]:
    path = folder / f"job-{job}.json"
    value = {**(json.loads(path.read_text()) if path.exists() else {}), **changes}
    part = folder / f".{job}.{os.getpid()}"
    part.write_text(json.dumps(value))
    part.replace(path)
    return value


def _read(folder: Path, job: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"job-{job}.json").read_text())
    return found


def sbatch(folder: Path, *words: str) -> int:
    text = Path(words[-1]).read_text()
    flags = dict(re.findall(r"^#SBATCH --([a-z-]+)(?:=(.*))?$", text, re.MULTILINE))
    partition = flags.get("partition", PARTITIONS[0])
    if partition not in PARTITIONS:
        print(f"sbatch: error: invalid partition specified: {partition}", file=sys.stderr)
        print("sbatch: error: Batch job submission failed: Invalid partition name specified", file=sys.stderr)
        return 1
    number = len(list(folder.glob("script-*.sh"))) + 1
    script = folder / f"script-{number}.sh"
    script.write_text(text)
    array = re.fullmatch(r"0-(\d+)%\d+", shlex.split(flags["array"])[0]) if "array" in flags else None
    ids = [f"{number}_{n}" for n in range(int(array[1]) + 1)] if array else [str(number)]
    for job in ids:
        _change(folder, job, id=job, name=shlex.split(flags["job-name"])[0], state="PENDING", starts=0, flags=flags)
        command = [sys.executable, "-SEs", __file__, str(folder), "node", job, str(script)]
        subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(f"Submitted batch job {number}")
    return 0


def node(folder: Path, job: str, script: str) -> int:
    """Works on a job until it has ended, as often as it is put back into the queue."""
    while True:
        while (folder / "hold").exists() and _read(folder, job)["state"] == "PENDING":
            time.sleep(0.05)
        before = _read(folder, job)
        if before["state"] != "PENDING":
            return 0
        _change(folder, job, state="RUNNING", starts=before["starts"] + 1, host=HOST)
        if (folder / "blind").exists():  # the node has another file system in the place of the shared one
            _change(folder, job, state="FAILED")
            return 0
        code = subprocess.run(["bash", script], env=_environment(job), check=False).returncode
        state = _read(folder, job)["state"]
        if state == "RUNNING":
            _change(folder, job, state="COMPLETED" if code == 0 else "FAILED")
        if state == "COMPLETING":
            _change(folder, job, state="CANCELLED")
        if state != "PENDING":
            return 0


def _environment(job: str) -> dict[str, str]:
    number, _, index = job.partition("_")
    array = {"SLURM_ARRAY_JOB_ID": number, "SLURM_ARRAY_TASK_ID": index} if index else {}
    return {**os.environ, "SLURM_JOB_ID": number, "SLURM_NTASKS": "1", "STANDIN_JOB": job, **array}


def srun(folder: Path, *words: str) -> int:
    """Becomes the step's process, with its streams where they are to go."""
    job, rest = os.environ["STANDIN_JOB"], list(words)
    files = {"--output": 1, "--error": 2}
    while rest[0].startswith("--"):
        option = rest.pop(0)
        if option in files:
            name = rest.pop(0).replace("%j", job).replace("%A_%a", job).replace("%t", "0")
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), files[option])
    _change(folder, job, step=os.getpid())
    os.execvp(rest[0], rest)


def squeue(folder: Path, *words: str) -> int:
    assert "--noheader" in words and "--array" in words and "--format=%i|%j|%T" in words
    for job in jobs(folder):
        if job["state"] in LIVING:
            print(f"{job['id']}|{job['name']}|{job['state']}")
    return 0


def scancel(folder: Path, *ids: str) -> int:
    """Ends jobs by SIGTERM to their steps, and some seconds later by SIGKILL."""
    for job in ids:
        state = _read(folder, job)["state"]
        if state == "PENDING":
            _change(folder, job, state="CANCELLED")
        elif state == "RUNNING":
            _change(folder, job, state="COMPLETING")
            if "step" in _read(folder, job):
                os.kill(_read(folder, job)["step"], signal.SIGTERM)
    return 0


def scontrol(folder: Path, *words: str) -> int:
    if words == ("show", "config"):
        print(
            f"Configuration data as of 2026-01-01T00:00:00\nMaxArraySize            = {MAX_ARRAY}\nMaxJobCount = 10000"
        )
    elif words[:1] == ("requeue",):
        _change(folder, words[1], state="PENDING")
    elif words[:3] == ("--oneliner", "show", "job"):
        job = _read(folder, words[3])
        host = job.get("host", "(null)")
        lists = f"ReqNodeList=(null) ExcNodeList=(null) NodeList={host} BatchHost={host}"
        print(f"JobId=1 JobName={job['name']} JobState={job['state']} {lists}")
    return 0


if __name__ == "__main__":
    sys.exit(globals()[sys.argv[2]](Path(sys.argv[1]), *sys.argv[3:]))

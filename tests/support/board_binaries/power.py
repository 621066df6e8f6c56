#!/usr/bin/env python3
"""Stands in for nvpmodel, jetson_clocks and sudo of a board, by the name it is called by. For Python 3.6 on.

What they set stands in the files of the board's tree, as with the real ones; what was asked goes to fake/calls.jsonl.
"""
# zip has no strict in Python 3.6
# ruff: noqa: PTH123, PTH110, B905

import json
import os
import re
import sys
from pathlib import Path

NAME = Path(sys.argv[0]).name
TREE = Path(os.path.realpath(__file__)).parents[1]
FAKE = TREE / "fake"
SETTINGS = json.loads((FAKE / "power.json").read_text())
GPU = TREE / "sys/devices/17000000.gp10b/devfreq/17000000.gp10b"
CORES = sorted((TREE / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq"))
CLOCKS = [
    GPU / "min_freq",
    GPU / "max_freq",
    *(core / f"scaling_{end}_freq" for core in CORES for end in ("min", "max")),
]


def refuse(text, status=1):
    sys.stderr.write(text + "\n")
    sys.exit(status)


def number(path):
    return int(path.read_text())


def put(path, value):
    part = path.with_name(f".{path.name}-{os.getpid()}")
    part.write_text(f"{value}\n")
    part.replace(path)  # in one go: who reads a kernel's file never finds it empty


def settle():
    """Present clocks follow their limits; an idle GPU goes as low as it may."""
    put(GPU / "cur_freq", number(GPU / "min_freq"))
    for core in CORES:
        low, high = number(core / "scaling_min_freq"), number(core / "scaling_max_freq")
        put(core / "scaling_cur_freq", min(max(number(core / "scaling_cur_freq"), low), high))


def nvpmodel(arguments):
    modes = SETTINGS["modes"]
    status = FAKE / "nvpmodel.status"
    if arguments and arguments[0] in ("-q", "--query"):
        mode = number(status)
        sys.stdout.write("NV Fan Mode:quiet\nNV Power Mode: {}\n{}\n".format(modes[mode]["name"], mode))
        return
    if SETTINGS["refuses"]:
        refuse(
            "NVPM ERROR: Error opening /sys/devices/17000000.gp10b/devfreq/17000000.gp10b/max_freq: Permission denied"
        )
    if len(arguments) != 2 or arguments[0] != "-m" or not arguments[1].isdigit() or int(arguments[1]) >= len(modes):
        refuse("NVPM ERROR: invalid power mode")
    mode = int(arguments[1])
    put(status, mode)
    put(GPU / "min_freq", SETTINGS["gpu_min_hz"])
    put(GPU / "max_freq", modes[mode]["gpu_hz"])
    for core in CORES:
        put(core / "scaling_min_freq", SETTINGS["cpu_min_khz"])
        put(core / "scaling_max_freq", modes[mode]["cpu_khz"])
    settle()


def jetson_clocks(arguments):
    if SETTINGS["refuses"]:
        refuse("Error: Please run as root. jetson_clocks needs it to set clocks")
    if not arguments:
        for low, high in zip(CLOCKS[::2], CLOCKS[1::2]):
            put(low, number(high))
        settle()
    elif arguments[0] == "--store" and len(arguments) == 2:
        if os.path.exists(arguments[1]):
            refuse(f"Error: {arguments[1]} exists already, and nobody is here to be asked")
        with open(arguments[1], "w") as file:
            file.writelines(f"{path}:{number(path)}\n" for path in CLOCKS)
    elif arguments[0] == "--restore" and len(arguments) == 2:
        if not os.path.exists(arguments[1]):
            refuse(f"Error: {arguments[1]} does not exist")
        for line in Path(arguments[1]).read_text().splitlines():
            path, value = line.rsplit(":", 1)
            put(Path(path), int(value))
        settle()
    else:
        refuse("Error: unknown option {}".format(" ".join(arguments)))


def sudo(arguments):
    if arguments[:1] != ["-n"] or SETTINGS["sudo"] != "allows":
        refuse("sudo: a password is required")
    os.execvp(arguments[1], arguments[1:])


def main():
    with open(str(FAKE / "calls.jsonl"), "a") as file:
        file.write(json.dumps([NAME, *sys.argv[1:]]) + "\n")
    if not re.match(r"nvpmodel$|jetson_clocks$|sudo$", NAME):
        refuse(f"{NAME} is none of the tools that this stands in for", 2)
    {"nvpmodel": nvpmodel, "jetson_clocks": jetson_clocks, "sudo": sudo}[NAME](sys.argv[1:])


if __name__ == "__main__":
    main()

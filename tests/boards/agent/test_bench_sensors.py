"""The sensors of boards other than a TX2, each as its own kernel shows them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from engine.boards.agent import bench as script
from tests.support.board_files import TX2, tree

DRIVERS, ZONES = "sys/bus/i2c/drivers", "sys/devices/virtual/thermal"
BOARD = "proc/device-tree/compatible"


def chip(number: int, address: str, rails: Mapping[str, tuple[int, int]]) -> dict[str, str]:
    """An INA3221 of a kernel since 5.10: (mV, mA) by rail; the channels that are left have nothing connected."""
    place = f"{DRIVERS}/ina3221/{address}/hwmon/hwmon{number}"
    named = [*rails.items(), *[("NC", (0, 0))] * (3 - len(rails))]
    files = {f"{place}/name": "ina3221\n"}
    for channel, (name, (millivolts, milliamperes)) in enumerate(named, 1):
        files |= {
            f"{place}/in{channel}_label": f"{name}\n",
            f"{place}/in{channel}_input": f"{millivolts}\n",
            f"{place}/curr{channel}_input": f"{milliamperes}\n",
            f"{place}/in{channel + 3}_input": "9000\n",
        }
    return {**files, f"{place}/in7_label": "sum of shunt voltages\n", f"{place}/in7_input": "27000\n"}


def iio(address: str, number: int, rails: Mapping[str, int]) -> dict[str, str]:
    """An INA3221 of a kernel 4.9: milliwatts by rail."""
    place = f"{DRIVERS}/ina3221x/{address}/iio:device{number}"
    return {
        f"{place}/{name}": f"{value}\n"
        for channel, (rail, milliwatts) in enumerate(rails.items())
        for name, value in ((f"rail_name_{channel}", rail), (f"in_power{channel}_input", milliwatts))
    }


XAVIER_OLD = {
    BOARD: "nvidia,p2972-0000\0nvidia,tegra194\0",
    **iio("1-0040", 0, {"GPU": 2000, "CPU": 1500, "SOC": 1200}),
    **iio("1-0041", 1, {"CV": 300, "VDDRQ": 700, "SYS5V": 2400}),
}
XAVIER = {
    BOARD: "nvidia,p2972-0000\0nvidia,tegra194\0",
    **chip(3, "1-0040", {"GPU": (1000, 2000), "CPU": (1000, 1500), "SOC": (1000, 1200)}),
    **chip(4, "1-0041", {"CV": (1000, 300), "VDDRQ": (1000, 700), "SYS5V": (5000, 480)}),
}
ORIN = {
    BOARD: "nvidia,p3737-0000+p3701-0000\0nvidia,p3701-0000\0nvidia,tegra234\0",
    **chip(3, "1-0040", {"VDD_GPU_SOC": (843, 6000), "VDD_CPU_CV": (780, 3000), "VIN_SYS_5V0": (5000, 950)}),
    **chip(4, "1-0041", {"VDDQ_VDD2_1V8AO": (1800, 340)}),
}
INA238 = f"{DRIVERS}/ina238/2-0044/hwmon/hwmon1"
THOR = {
    BOARD: "nvidia,p4071-0000+p3834-0008\0nvidia,p3834-0008\0nvidia,tegra264\0",
    **chip(2, "2-0040", {"VDD_GPU": (900, 8000), "VDD_CPU_SOC_MSS": (900, 7000), "VIN_SYS_5V0": (5000, 1300)}),
    f"{INA238}/name": "ina238\n",
    f"{INA238}/in0_input": "12\n",
    f"{INA238}/in1_input": "20000\n",
    f"{INA238}/curr1_input": "1200\n",
    f"{INA238}/power1_input": "24000000\n",
}
ORIN_NX = {
    BOARD: "nvidia,p3767-0000\0nvidia,tegra234\0",
    **chip(1, "1-0040", {"VDD_IN": (5000, 1500), "VDD_CPU_GPU_CV": (5000, 400), "VDD_SOC": (5000, 300)}),
}


@pytest.fixture
def sensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., script.Sensors]:
    """What is found in a tree of these files, which stands for the board of this very process."""

    def find(*files: Mapping[str, str]) -> script.Sensors:
        monkeypatch.setenv("ESPALIER_ROOT", str(tmp_path))
        tree(tmp_path, {name: text for each in files for name, text in each.items()})
        return script.Sensors()

    return find


@pytest.mark.parametrize(
    ("files", "rail", "milliwatts"),
    [
        (TX2, "VDD_IN", 5200),
        (ORIN_NX, "VDD_IN", 7500),
        (XAVIER_OLD, "sum of GPU, CPU, SOC, CV, VDDRQ, SYS5V", 8100),
        (XAVIER, "sum of GPU, CPU, SOC, CV, VDDRQ, SYS5V", 8100),
        (ORIN, "sum of VDD_GPU_SOC, VDD_CPU_CV, VIN_SYS_5V0, VDDQ_VDD2_1V8AO", 12760),
        (THOR, "VIN", 24000),
    ],
    ids=["TX2", "Orin NX", "AGX Xavier, L4T 32", "AGX Xavier, L4T 35", "AGX Orin", "AGX Thor"],
)
def test_the_power_is_the_total_rail_s_or_the_sum_of_the_named_rails(
    sensors: Callable[..., script.Sensors], files: Mapping[str, str], rail: str, milliwatts: float
) -> None:
    found = sensors(files)
    power = found.power_mw()
    assert (found.total_rail, found.why_no_power()) == (rail, None)
    assert power[rail] == pytest.approx(milliwatts)
    assert not any("shunt" in name or name == "NC" for name in power)


def test_a_monitor_that_sys_shows_in_two_places_counts_once(
    sensors: Callable[..., script.Sensors], tmp_path: Path
) -> None:
    sensors(XAVIER)
    names = tmp_path / "sys/class/hwmon"
    names.mkdir(parents=True)
    for address, number in (("1-0040", 3), ("1-0041", 4)):
        (names / f"hwmon{number}").symlink_to(tmp_path / DRIVERS / f"ina3221/{address}/hwmon/hwmon{number}")
    found = script.Sensors()
    assert len(found.rails) == 6 and sum(found.power_mw().values()) == pytest.approx(2 * 8100)


def test_a_channel_that_is_switched_off_is_no_rail(sensors: Callable[..., script.Sensors]) -> None:
    found = sensors(XAVIER, {f"{DRIVERS}/ina3221/1-0041/hwmon/hwmon4/in1_enable": "0\n"})
    assert "CV" not in found.rails and found.total_rail == "sum of GPU, CPU, SOC, VDDRQ, SYS5V"


def test_a_rail_that_cannot_be_read_leaves_no_sum_and_says_why(
    sensors: Callable[..., script.Sensors], tmp_path: Path
) -> None:
    found = sensors(XAVIER)
    current = tmp_path / DRIVERS / "ina3221/1-0041/hwmon/hwmon4/curr1_input"
    current.unlink()
    assert found.power_mw()[str(found.total_rail)] is None
    reason = "its rail CV could not be read (No such file or directory), and a sum without it would be too small"
    assert found.why_no_power() == reason
    current.write_text("?\n")
    assert "(what it says is no number)" in str(found.why_no_power())


def test_a_board_without_monitors_says_so(sensors: Callable[..., script.Sensors]) -> None:
    found = sensors({BOARD: "raspberrypi,4-model-b\0brcm,bcm2711\0"})
    assert found.power_mw() == {} and found.total_rail is None
    reason = "the board has no power monitor that is known here (INA3221, INA238) and names its rails"
    assert found.why_no_power() == reason


def test_rails_of_a_tx2_are_never_added_up(sensors: Callable[..., script.Sensors]) -> None:
    found = sensors({BOARD: TX2[BOARD]}, iio("0-0040", 0, {"VDD_SYS_GPU": 152, "VDD_SYS_SOC": 533}))
    assert found.total_rail is None and set(found.power_mw()) == {"VDD_SYS_GPU", "VDD_SYS_SOC"}
    assert "is not among its rails: VDD_SYS_GPU, VDD_SYS_SOC" in str(found.why_no_power())


def test_zones_that_are_off_are_no_reading_and_come_back_when_they_are_on(
    sensors: Callable[..., script.Sensors], tmp_path: Path
) -> None:
    zones = {"CPU-therm": "41500", "CV0-therm": "-256000", "gpu-thermal": "-200000", "GPU-therm": "-127000"}
    files = {}
    for number, (name, millidegrees) in enumerate(zones.items()):
        files |= {f"{ZONES}/thermal_zone{number}/type": name, f"{ZONES}/thermal_zone{number}/temp": millidegrees}
    found = sensors(files)
    told = {"CPU-therm": 41.5, "CV0-therm": None, "gpu-thermal": None, "GPU-therm": -127.0}
    assert found.temperatures() == told
    (tmp_path / ZONES / "thermal_zone2" / "temp").write_text("39000\n")
    assert found.temperatures() == {**told, "gpu-thermal": 39.0}


def test_zones_are_found_under_the_name_that_every_kernel_has(sensors: Callable[..., script.Sensors]) -> None:
    zone = "sys/class/thermal/thermal_zone0"
    assert sensors({f"{zone}/type": "gpu-thermal", f"{zone}/temp": "38000"}).temperatures() == {"gpu-thermal": 38.0}


@pytest.mark.parametrize(
    "place",
    [
        "sys/class/devfreq/17000000.gpu",
        "sys/class/devfreq/17000000.gv11b",
        "sys/class/devfreq/gpu-gpc-0",
    ],
)
def test_the_gpu_clock_of_each_chip_is_found(sensors: Callable[..., script.Sensors], place: str) -> None:
    """The last is tegra264's, which has a clock for video beside it."""
    files = {f"{place}/{name}_freq": "1575000000\n" for name in ("cur", "min", "max")}
    found = sensors(files, {"sys/class/devfreq/gpu-nvd-0/cur_freq": "1\n", "sys/class/devfreq/bwmgr/cur_freq": "2\n"})
    assert (found.gpu_hz(), found.clocks()["locked"]) == (1575000000, True)


def test_thor_has_a_name(sensors: Callable[..., script.Sensors]) -> None:
    sensors(THOR)
    assert script.jetson() == "thor"


@pytest.mark.parametrize(
    ("l4t", "jetpack"),
    [
        ("36.4.0", "6.1"),
        ("36.4.3", "6.2"),
        ("36.4.4", "6.2.1"),
        ("36.4.7", "6.2.1"),
        ("36.4.9", "6.2.1 or later"),
        ("36.4.2", "6.1 or later"),
        ("38.2.0", "7.0"),
        ("38.2", "7.0"),
        ("38.2.1", "7.0"),
        ("38.4.0", "7.1"),
        ("38.4.1", "7.1 or later"),
        ("36.9", None),
        ("38", None),
        ("32.4.2", None),
        (None, None),
    ],
)
def test_the_jetpack_of_an_l4t_that_is_not_known_is_that_of_the_patch_before(
    l4t: str | None, jetpack: str | None
) -> None:
    assert script.jetpack_of(l4t) == jetpack

"""The table of devices."""

from rlaudio.planning.hardware import GPUS, find_hardware


def test_every_device_of_the_table_can_be_asked_for():
    assert all(find_hardware(name, "bfloat16") is device for name, device in GPUS.items())

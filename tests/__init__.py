"""The tests of rlaudio."""

from hypothesis import settings

settings.register_profile("rlaudio", deadline=None)  # no test depends on how busy the machine is
settings.load_profile("rlaudio")

"""Property tests on a host of any speed; import it where hypothesis is used, not in a guest."""

from hypothesis import HealthCheck, settings

# By default an example of over 200 ms, or slow ones in a row, are failures.
settings.register_profile("any-host", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-host")

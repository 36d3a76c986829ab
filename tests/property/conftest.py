"""All of these use hypothesis."""

import support.any_host  # noqa: F401

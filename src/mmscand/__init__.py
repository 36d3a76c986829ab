"""mmscand: promotes the hot slow-tier pages of running processes on an unmodified kernel."""

__version__ = "0.1.0"

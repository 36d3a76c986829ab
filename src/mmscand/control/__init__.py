"""One JSON object a line on a unix socket: the daemon's control, and its client."""

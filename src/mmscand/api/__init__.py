"""mmscand-api: the HTTP API, in a process without rights that asks the daemon."""

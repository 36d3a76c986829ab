"""The HTTP API on a unix socket, and its client. Nothing here loads FastAPI before it is served."""

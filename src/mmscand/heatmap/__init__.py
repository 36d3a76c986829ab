"""Pictures of heat: address over time, from a recording or from the running daemon."""

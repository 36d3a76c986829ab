"""The migration list and the thread that empties it."""

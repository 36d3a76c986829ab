"""Which process is looked at, when, and how: slots, and the scanner thread."""

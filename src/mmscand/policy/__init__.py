"""Pure decisions: hot or not, which node, how many. No thread, no clock, no file."""

"""`mmscand top`: what the daemon does, as a screen that goes on."""

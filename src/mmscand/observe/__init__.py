"""What people get to see: events and counters."""

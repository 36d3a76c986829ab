"""What passes saw, written to a file, and policies run over such a file."""

"""The history of each page: pure numpy, no I/O, no clock, no thread."""

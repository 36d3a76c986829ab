"""Made-up kernels, page tables and folders for tests; nothing here uses what it helps to test."""

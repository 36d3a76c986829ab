"""A whole tiered machine in memory, behind the same seam as the real one."""

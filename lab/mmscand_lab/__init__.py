"""The lab: two-tier virtual machines on a stock kernel, and workloads that know their hot pages."""

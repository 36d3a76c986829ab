"""What mmscand has written, for the tools of data analysis: long tables, one row for each fact."""

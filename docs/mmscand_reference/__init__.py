"""Reference pages from the tables in the code: `script/reference` writes docs/reference/."""

"""Writes the pages: `script/reference`."""

from mmscand_reference.pages import REFERENCE, pages

for name, text in pages().items():
    (REFERENCE / name).write_text(text)

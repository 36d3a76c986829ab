"""Writes the pages and the files of the service: `script/reference`."""

from mmscand_reference.pages import REFERENCE, pages
from mmscand_reference.service_files import SERVICE_FILES, service_files

for name, text in pages().items():
    (REFERENCE / name).write_text(text)
for name, text in service_files().items():
    (SERVICE_FILES / name).write_text(text)

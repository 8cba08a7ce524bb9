"""As much of curl as the how-to page uses, for machines that have none."""

from __future__ import annotations

import argparse
import http.client
import sys
from pathlib import Path
from urllib.parse import urlsplit

parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("-s", action="store_true")
parser.add_argument("-H", action="append", default=[], dest="headers")
parser.add_argument("-d", action="append", default=[], dest="data")
parser.add_argument("-o", dest="output")
parser.add_argument("-D", choices=["-"], dest="dump")
arguments = parser.parse_args()

headers = {}
if arguments.data:
    headers["Content-Type"] = "application/x-www-form-urlencoded"
headers.update(dict(header.split(": ", 1) for header in arguments.headers))
parts = urlsplit(arguments.url)
connection = http.client.HTTPConnection(parts.netloc)
connection.request(
    "POST" if arguments.data else "GET",
    parts._replace(scheme="", netloc="").geturl(),
    "&".join(arguments.data) or None,
    headers,
)
response = connection.getresponse()
if arguments.dump:
    sys.stdout.write(f"HTTP/1.1 {response.status} {response.reason}\n{response.headers}")
body = response.read()
if arguments.output:
    Path(arguments.output).write_bytes(body)
else:
    sys.stdout.write(body.decode())

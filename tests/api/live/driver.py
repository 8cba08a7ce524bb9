"""One client process of the served example, with Python's own HTTP client. Prints JSON.

``driver.py sell URL TOKEN NAME`` sells tickets until none is left. Every request is sent more than
once, as happens where answers get lost: first without waiting for the answer, then again under the
same key until there is one.

``driver.py load URL TOKEN NAME START [PATH TOKEN]...`` sends one request after the other: for a
slot of time to one path by one token, then to the next, round after round, from a time that all
clients share. So all that is compared was measured under the same load of the machine.
"""

from __future__ import annotations

import http.client
import json
import random
import sys
import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

SHARED = 10
MAX_BUSY = 100
BALANCES = 200
ROUNDS = 9
SLOT_SECONDS = 0.15


class Answer(NamedTuple):
    status: int
    body: bytes
    replayed: bool

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    def __init__(self, url: str, token: str) -> None:
        self.address = urlsplit(url).netloc
        self.headers = {"Authorization": f"Token {token}", "Content-Type": "application/json"}
        self.connection = http.client.HTTPConnection(self.address, timeout=60)
        self.busy = 0

    def post(self, path: str, body: Any, key: str | None) -> Answer:
        """Send a request once and wait for its answer."""
        headers = self.headers if key is None else {**self.headers, "Idempotency-Key": f'"{key}"'}
        try:
            self.connection.request("POST", path, json.dumps(body), headers)
            response = self.connection.getresponse()
        except http.client.RemoteDisconnected:
            # The server ended a connection that had been idle: sent again, on a new one.
            self.connection.close()
            return self.post(path, body, key)
        replayed = response.headers["Idempotent-Replayed"] == "true"
        return Answer(response.status, response.read(), replayed)

    def post_and_leave(self, path: str, body: Any, key: str | None) -> None:
        """Send a request and hang up before the answer is there."""
        headers = self.headers if key is None else {**self.headers, "Idempotency-Key": f'"{key}"'}
        connection = http.client.HTTPConnection(self.address, timeout=60)
        connection.request("POST", path, json.dumps(body), headers)
        connection.close()

    def insist(self, path: str, body: Any, key: str | None) -> Answer:
        """Lose an answer or two, then get one, and check that it stays the same."""
        for _ in range(random.randrange(3)):  # noqa: S311 - chance, no secret
            self.post_and_leave(path, body, key)
        answer = self.post(path, body, key)
        while answer.status == 503:
            self.busy += 1
            assert self.busy < MAX_BUSY
            answer = self.post(path, body, key)
        if answer.status < 300:
            again = self.post(path, body, key)
            assert again[:2] == answer[:2], (answer, again)
            assert again.replayed
        return answer


def sell(client: Client, name: str) -> dict[str, Any]:
    """Buy tickets one by one, by hold and commit or at once, until there are none."""
    shared = [
        client.insist("/inventory/balances/acquire/", ticket("pool", 1), f"shared {number}")
        for number in range(SHARED)
    ]
    sold = 0
    for number in range(1_000):
        key = f"{name} {number}"
        if number % 2:
            answer = client.insist("/inventory/balances/consume/", ticket("box office", 1), key)
        else:
            body = ticket("box office", 1) | {"ttl": 600}
            answer = client.insist("/inventory/holds/", body, key)
            if answer.status == 201:
                hold = answer.json()["hold"]["id"]
                answer = client.insist(f"/inventory/holds/{hold}/commit/", {"to": name}, None)
        if answer.status == 409:
            break
        assert answer.status in {200, 201}, answer
        sold += 1
    return {
        "sold": sold,
        "shared": [[answer.status, answer.body.decode()] for answer in shared],
        "busy": client.busy,
    }


def ticket(subject: str, quantity: int) -> dict[str, Any]:
    return {"subject": subject, "item": "ticket", "quantity": quantity}


def load_body(number: int) -> dict[str, Any]:
    return {"subject": f"owner {number % BALANCES}", "item": "load", "quantity": 1}


def load(url: str, name: str, start: float, kinds: list[tuple[str, str]]) -> list[list[float]]:
    """Acquire for one balance after the other; return the requests a second: rounds of kinds."""
    clients = [Client(url, token) for _, token in kinds]
    slots = []
    number = 0
    for slot in range(len(kinds) * ROUNDS):
        kind = slot % len(kinds)
        while time.time() < start + slot * SLOT_SECONDS:
            pass
        began, first = time.perf_counter(), number
        # Once at least, however late a busy machine is.
        while number == first or time.time() < start + (slot + 1) * SLOT_SECONDS:
            number += 1
            key = f"load {name} {number}"
            answer = clients[kind].post(kinds[kind][0], load_body(number), key)
            assert answer.status == 201, answer
        slots.append((number - first) / (time.perf_counter() - began))
    return [slots[begin : begin + len(kinds)] for begin in range(0, len(slots), len(kinds))]


def main() -> None:
    mode, url, token, name, *more = sys.argv[1:]
    result: Any
    if mode == "sell":
        result = sell(Client(url, token), name)
    else:
        start, *kinds = more
        result = load(url, name, float(start), list(zip(kinds[::2], kinds[1::2], strict=True)))
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main()

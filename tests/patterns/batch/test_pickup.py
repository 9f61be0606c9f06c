"""New versions are picked up under load: no request is dropped, no answer is torn."""

import json
import threading
import time
from pathlib import Path
from typing import NamedTuple

import httpx

from patterns.batch.handmade import connected, embedded, patient, put, score_of, serving

KEYS = [f"k{at}" for at in range(200)]
NAMES = ("va", "vb", "vc")
SWAPS = 60


class Read(NamedTuple):
    """What one client read: versions seen, answers, and what was wrong with some."""

    versions: set[str]
    answers: list[int]
    wrong: list[str]


def ask(client: httpx.Client, stop: threading.Event, number: int, read: Read) -> None:
    """Ask for a key, then for many, until told to stop, on one connection."""
    with connected(client) as plain:
        stream = plain.makefile("rb")
        while not stop.is_set():
            at = (len(read.answers) * 7 + number) % len(KEYS)
            if len(read.answers) % 4:
                head = f"GET /scores/{KEYS[at]} HTTP/1.1\r\nhost: localhost\r\n\r\n"
                asked, body = [at], b""
            else:
                asked = [at, (at + 50) % len(KEYS), (at + 99) % len(KEYS)]
                body = json.dumps({"keys": [*[KEYS[one] for one in asked], "cold"]}).encode()
                head = f"POST /scores HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}"
                head += "\r\n\r\n"
            plain.sendall(head.encode() + body)
            status = int(stream.readline().split()[1])
            length = 0
            while (line := stream.readline().strip().lower()) != b"":
                if line.startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            found = json.loads(stream.read(length))
            read.answers.append(status)
            if status != 200:
                read.wrong.append(f"{status} {found}")
                continue
            judge(found.get("answers", [found]), asked, read)


def judge(answers: list[dict[str, object]], asked: list[int], read: Read) -> None:
    """Each score is that of the version that the answer names, and there is one version."""
    versions = {str(one["version"]) for one in answers}
    read.versions.update(versions)
    if len(versions) != 1:
        read.wrong.append(f"a mix of {versions}")
    for one, at in zip(answers, asked, strict=False):
        if one["score"] != score_of(str(one["version"]), at) or one["fallback"]:
            read.wrong.append(f"torn: {one}")


def test_swaps_and_rollbacks_under_load(tmp_path: Path) -> None:
    """Two processes follow sixty moves of the pointer: nothing fails, nothing is mixed, counted."""
    folder = patient(tmp_path / "small").folder
    store = embedded(folder)
    for name in NAMES:
        put(store, folder, name, KEYS, live=name == NAMES[0])
    stop, reads = threading.Event(), [Read(set(), [], []) for _ in range(4)]
    with serving(folder, tmp_path / "state", "--processes", "2") as client:
        threads = [
            threading.Thread(target=ask, args=(client, stop, number, read))
            for number, read in enumerate(reads)
        ]
        for thread in threads:
            thread.start()
        for turn in range(1, SWAPS + 1):
            store.point(NAMES[turn % 3] if turn % 4 else NAMES[(turn - 1) % 3])
            time.sleep(0.02)
        store.point("va")
        time.sleep(0.05)  # `look_us` is 1 ms
        last = [client.get(f"/scores/{key}").json()["version"] for key in KEYS[:20]]
        stop.set()
        for thread in threads:
            thread.join()
        again = connected_after(client)
    assert [wrong for read in reads for wrong in read.wrong] == []
    assert all(len(read.answers) > SWAPS for read in reads)
    assert set().union(*(read.versions for read in reads)) == set(NAMES)
    assert last == ["va"] * 20
    assert again == 200


def connected_after(client: httpx.Client) -> int:
    """Whether the server still takes connections."""
    return httpx.get(f"{client.base_url}/health/ready").status_code


def test_a_version_that_is_dropped_under_readers_is_read_to_the_end(tmp_path: Path) -> None:
    """Publishing and forgetting go on under load: each answer is one version's, none fails."""
    folder = patient(tmp_path / "small").folder
    store = embedded(folder)
    put(store, folder, "v0", KEYS)
    stop, read = threading.Event(), Read(set(), [], [])
    with serving(folder, tmp_path / "state") as client:
        thread = threading.Thread(target=ask, args=(client, stop, 0, read))
        thread.start()
        for number in range(1, 12):
            put(store, folder, f"v{number:x}", KEYS)
            store.drop(f"v{number - 1:x}")
            time.sleep(0.02)
        time.sleep(0.05)
        stop.set()
        thread.join()
        named = {one["name"] for one in client.get("/versions").json()["versions"]}
        page = client.get("/metrics").text
    assert read.wrong == []
    assert len(read.versions) > 3
    assert named == {"vb"}
    assert "groundplan_versions_picked_up_total" in page

"""Recompute a draw with nothing but Python: `python verify_lottery.py proof.json`."""

import hashlib
import hmac
import json
import sys

with open(sys.argv[1]) as file:
    proof = json.load(file)

if hashlib.sha256(proof["seed"].encode()).hexdigest() != proof["seedHash"]:
    sys.exit("the seed is not the one that was promised")
entries = sorted(proof["entries"], key=lambda entry: entry["id"])
listed = "".join(f"{entry['id']} {entry['tickets']}\n" for entry in entries)
hashed = hashlib.sha256(listed.encode()).hexdigest()
if hashed != proof["entriesHash"]:
    sys.exit("the entries are not those that were drawn from")

turns = [(1, place) for place in range(1, proof["places"] + 1)]
turns += [(again["round"], again["place"]) for again in proof["redraws"]]
for number, place in turns:
    total = sum(entry["tickets"] for entry in entries)
    if total == 0:
        break
    message = f"{proof['lotteryId']}:{number}:{place}:{hashed}".encode()
    ticket = int(hmac.new(proof["seed"].encode(), message, hashlib.sha256).hexdigest(), 16) % total
    for entry in entries:
        ticket -= entry["tickets"]
        if ticket < 0:
            break
    sys.stdout.write(f"{place} {entry['id']}{' (again)' if number > 1 else ''}\n")
    entries.remove(entry)

"""The simulated ComfyUI and Polza follow their repository and documentation.

Neither has an official client: for ComfyUI one is written after its repository's script_examples.
"""

from __future__ import annotations

import base64
import json
import socket
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from websockets.sync.client import connect

from local.sandbox import Options
from local.sandbox.clock import Clock
from local.sandbox.engines.comfyui import ComfyUiSandbox
from local.sandbox.engines.fal import FalSandbox
from local.sandbox.engines.polza import PolzaSandbox
from local.sandbox.engines.replicate import ReplicateSandbox
from local.sandbox.engines.runs import ENDS, Script
from tests.payment_world import Sandbox
from tests.sandboxes import is_video

KEYS = Options()


class ComfyClient:
    """As its script_examples do it: a graph goes to /prompt, files come from /view."""

    def __init__(self, url: str) -> None:
        self.url = url

    def queue(self, graph: dict[str, Any], client_id: str = "somebody") -> dict[str, Any]:
        # As bytes, and so without a Content-Type: the server has to guess that this is JSON.
        body = json.dumps({"prompt": graph, "client_id": client_id}).encode()
        answer = requests.post(f"{self.url}/prompt", data=body)
        answer.raise_for_status()
        queued: dict[str, Any] = answer.json()
        return queued

    def read(self, path: str, **query: str) -> Any:
        answer = requests.get(f"{self.url}/{path}", params=query)
        answer.raise_for_status()
        return answer.content if path == "view" else answer.json()


GRAPH: dict[str, Any] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "photo.jpg"}},
    "2": {"class_type": "WanImageToVideo", "inputs": {"start_image": ["1", 0], "positive": "a"}},
    "3": {"class_type": "SaveVideo", "inputs": {"video": ["2", 0], "filename_prefix": "a"}},
}


@pytest.fixture
def comfy(world: Sandbox, photo: Path) -> ComfyClient:
    form = {"image": ("photo.jpg", photo.read_bytes())}
    uploaded = requests.post(f"{world.url}/comfyui/upload/image", files=form).json()
    assert uploaded == {"name": "photo.jpg", "subfolder": "", "type": "input"}
    return ComfyClient(f"{world.url}/comfyui")


def test_comfyui_runs_one_graph_after_the_other(world: Sandbox, comfy: ComfyClient) -> None:
    world.control("PUT", "/comfyui/scripts/default", run_seconds=60)
    first, second = (comfy.queue(GRAPH)["prompt_id"] for _ in range(2))
    queue = comfy.read("queue")
    assert [entry[1] for entry in queue["queue_running"]] == [first]
    assert [entry[1] for entry in queue["queue_pending"]] == [second]
    assert comfy.read(f"history/{first}") == {}
    world.control("POST", "/clock", advance_seconds=90)
    history = comfy.read(f"history/{first}")[first]
    assert history["status"]["status_str"] == "success"
    (file,) = history["outputs"]["3"]["images"]
    assert is_video(comfy.read("view", **file))
    assert comfy.read(f"history/{second}") == {}, "there is one GPU"
    world.control("POST", "/comfyui/restart")
    assert comfy.read(f"history/{first}") == {}


def test_comfyui_checks_a_graph_before_it_queues_it(comfy: ComfyClient) -> None:
    for changes in (
        {"1": {"class_type": "LoadImage", "inputs": {"image": "missing.jpg"}}},
        {"2": {"class_type": "Nothing", "inputs": {}}},
        {"3": {"class_type": "LoadImage", "inputs": {"image": "photo.jpg"}}},
    ):
        with pytest.raises(requests.HTTPError) as refused:
            comfy.queue(GRAPH | changes)
        answer = refused.value.response
        assert answer.status_code == 400 and answer.json()["error"]["type"]
    assert comfy.read("object_info/LoadImage") and comfy.read("object_info/Nothing") == {}


TEXT_TO_IMAGE: dict[str, Any] = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "cfg": 8,
            "denoise": 1,
            "latent_image": ["5", 0],
            "model": ["4", 0],
            "negative": ["7", 0],
            "positive": ["6", 0],
            "sampler_name": "euler",
            "scheduler": "normal",
            "seed": 5,
            "steps": 20,
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "v1-5.ckpt"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"batch_size": 1, "height": 8, "width": 8}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["4", 1], "text": "a man"}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["4", 1], "text": "bad hands"}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "a", "images": ["8", 0]}},
}


def test_comfyui_tells_its_listeners_when_their_graph_has_ended(world: Sandbox) -> None:
    """Step by step as websockets_api_example.py of its repository, which runs against it, too."""
    world.control("PUT", "/comfyui/scripts/default", run_seconds=0.3)
    comfy, client_id = ComfyClient(f"{world.url}/comfyui"), str(uuid.uuid4())
    address = f"{world.url.replace('http', 'ws')}/comfyui/ws?clientId={client_id}"
    with connect(address, proxy=None) as listener:
        comfy.queue(TEXT_TO_IMAGE)
        prompt_id = comfy.queue(TEXT_TO_IMAGE, client_id)["prompt_id"]
        kinds = []
        while True:
            message = json.loads(listener.recv(timeout=30))
            kinds.append(message["type"])
            if message["type"] == "executing" and message["data"]["node"] is None:
                break
    assert message["data"]["prompt_id"] == prompt_id, "another client's runs are not its business"
    assert kinds[0] == "status" and "progress" in kinds
    (file,) = comfy.read(f"history/{prompt_id}")[prompt_id]["outputs"]["9"]["images"]
    assert comfy.read("view", **file).startswith(b"\xff\xd8")


# Polza, by the examples of its documentation


def test_polza_answers_as_its_documentation_says(world: Sandbox, photo: Path) -> None:
    url, key = f"{world.url}/polza/api/v1", {"Authorization": f"Bearer {KEYS.polza_api_key}"}
    picture = {"type": "base64", "data": base64.b64encode(photo.read_bytes()).decode()}
    body = {
        "model": "kling/v2.5-turbo",
        "input": {"prompt": "waves", "images": [picture], "duration": "5"},
        "async": True,
        "user": "attempt",
    }
    made = requests.post(f"{url}/media", json=body, headers=key).json()
    assert made["object"] == "media.generation" and made["status"] == "pending"
    assert made["id"].startswith("gen_")
    done = requests.get(f"{url}/media/{made['id']}", headers=key).json()
    assert done["status"] == "completed" and done["usage"]["cost_rub"] == 31.5
    assert is_video(requests.get(done["data"]["url"]).content)
    assert requests.get(f"{url}/balance", headers=key).json() == {"amount": "968.50"}
    listed = requests.get(f"{url}/history/generations?requestType=video", headers=key).json()
    assert [item["id"] for item in listed["items"]] == [made["id"]]
    assert requests.get(f"{url}/balance").status_code == 401


# Controls


def test_a_typo_in_a_control_is_noticed(world: Sandbox) -> None:
    for path, body in (
        ("replicate/scripts", {"end": "sometimes"}),
        ("fal/scripts", {"file": "nice"}),
        ("polza/scripts", {"speed": 1}),
        ("comfyui/faults", {"kind": "strange"}),
    ):
        assert requests.post(f"{world.url}/control/{path}", json=body).status_code == 400
    answer = requests.put(f"{world.url}/control/fal/account", json={"state": "rich"})
    assert answer.status_code == 400


def test_every_end_has_a_name() -> None:
    assert all(Script(end=end) for end in ENDS)


def test_no_run_of_the_next_sandbox_has_the_id_of_an_earlier_one() -> None:
    """The rows of a machine outlive its sandbox."""
    ids = []
    for _ in range(2):
        for kind in (ReplicateSandbox, FalSandbox, PolzaSandbox, ComfyUiSandbox):
            sandbox = kind(Clock())
            ids += [
                sandbox.runs.add(model="a", media="image", input={}, photo=None).id
                for _ in range(3)
            ]
    assert len(set(ids)) == len(ids)


def test_what_breaks_off_on_its_way_is_no_call(world: Sandbox, comfy: ComfyClient) -> None:
    address = urlsplit(world.url)
    with socket.create_connection((address.hostname, address.port)) as cut:
        cut.sendall(b"POST /comfyui/prompt HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n{")
    comfy.queue(GRAPH)
    assert world.control("GET", "/comfyui/counters")["calls"]["create"] == 1

"""A simulated ComfyUI: uploads, a queue for one GPU, a history that a restart forgets.

Mount `api` at /comfyui; its base URL is then http://127.0.0.1:<port>/comfyui.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from flask import Response, jsonify, request

from local.sandbox.clock import Clock
from local.sandbox.engines import comfyui_socket, files, outputs
from local.sandbox.engines.runs import Media, Run
from local.sandbox.engines.sandbox import EngineSandbox
from local.sandbox.faults import Fault

# What this server has installed; inputs that each of them needs.
NODES: dict[str, set[str]] = {
    "LoadImage": {"image"},
    "SaveImage": {"images", "filename_prefix"},
    "SaveVideo": {"video", "filename_prefix"},
    "VHS_VideoCombine": {"images", "frame_rate"},
    "ImageScaleBy": {"image", "scale_by"},
    "WanImageToVideo": {"start_image", "positive"},
    "CheckpointLoaderSimple": {"ckpt_name"},
    "CLIPTextEncode": {"text", "clip"},
    "EmptyLatentImage": {"width", "height", "batch_size"},
    "KSampler": {"model", "seed", "steps", "positive", "negative", "latent_image"},
    "VAEDecode": {"samples", "vae"},
    "UNETLoader": {"unet_name", "weight_dtype"},
    "CLIPLoader": {"clip_name", "type"},
    "VAELoader": {"vae_name"},
    "ModelSamplingSD3": {"model", "shift"},
    "Wan22ImageToVideoLatent": {"vae", "width", "height", "length", "batch_size"},
    "CreateVideo": {"images", "fps"},
}
# Nodes that leave files, what these are, and under which name the history lists them.
OUTPUTS: dict[str, tuple[Media, str]] = {
    "SaveImage": ("image", "images"),
    "SaveVideo": ("video", "images"),  # really
    "VHS_VideoCombine": ("video", "gifs"),
}
_FAILURES = {
    "failed": ("RuntimeError", "mat1 and mat2 shapes cannot be multiplied"),
    "refused": ("RuntimeError", "blocked by the safety checker"),
    "input": ("PIL.UnidentifiedImageError", "cannot identify image file"),
    "infrastructure": ("torch.OutOfMemoryError", "Allocation on device"),
}


class ComfyUiSandbox(EngineSandbox):
    """One server with one GPU. header: what its proxy asks for, ("", "") without one."""

    def __init__(self, clock: Clock, header: tuple[str, str] = ("", "")) -> None:
        super().__init__("comfyui", clock, new_id=lambda number: str(uuid4()), fault=_fault)
        self._header = header
        self._photos: dict[str, bytes] = {}
        self.api.before_request(self._authenticate)
        self._serve_inputs()
        self._serve_queue()
        self._serve_history()

    def forget(self) -> None:
        """Uploads are files and stay; queue and history are gone."""
        self.runs.forget()

    def _authenticate(self) -> Response | None:
        name, value = self._header
        if not name or request.headers.get(name) == value:
            return None
        return Response("<html>401 Authorization Required</html>", status=401)

    def _serve_inputs(self) -> None:
        api = self.api

        @api.post("/upload/image")
        def upload() -> Response:
            return self.serve("upload", self._upload)

        @api.get("/system_stats")
        def stats() -> Response:
            about = {"comfyui_version": "0.3.64", "os": "posix"}
            return self.serve("health", lambda: jsonify({"system": about, "devices": []}))

        @api.get("/object_info/<node>")
        def object_info(node: str) -> Response:
            known = {node: {"input": {"required": sorted(NODES[node])}}} if node in NODES else {}
            return jsonify(known)

    def _serve_queue(self) -> None:
        api = self.api

        @api.post("/prompt")
        def prompt() -> Response:
            return self.serve("create", self._prompt)

        @api.get("/ws", websocket=True)
        def follow() -> Response:
            client = request.args.get("clientId")
            return comfyui_socket.serve(request, lambda: self._phases_of(client))

        @api.get("/queue")
        def queue() -> Response:
            return self.serve("queue", self._queue)

        @api.post("/queue")
        def change_queue() -> Response:
            return self.serve("cancel", self._change_queue)

        @api.post("/interrupt")
        def interrupt() -> Response:
            return self.serve("cancel", self._interrupt)

    def _serve_history(self) -> None:
        api = self.api

        @api.get("/history")
        def history() -> Response:
            return self.serve("list", lambda: self._history(None))

        @api.get("/history/<identifier>")
        def history_of(identifier: str) -> Response:
            return self.serve("poll", lambda: self._history(identifier))

        @api.get("/view")
        def view() -> Response:
            return self.serve("file", self._view)

    def _upload(self) -> Response:
        file = request.files.get("image")
        if file is None or not file.filename:
            return Response(status=400)
        self._photos[file.filename] = file.read()
        kind = request.form.get("type", "input")
        return jsonify({"name": file.filename, "subfolder": "", "type": kind})

    def _prompt(self) -> Response:
        posted = request.get_json(force=True, silent=True) or {}
        graph = posted.get("prompt")
        if not isinstance(graph, dict) or not graph:
            return _refused("no_prompt", "No prompt provided")
        unknown = [node for node in graph.values() if node.get("class_type") not in NODES]
        if unknown:
            return _refused("missing_node_type", f"Node '{unknown[0].get('class_type')}' not found")
        finals = {key: node for key, node in graph.items() if node["class_type"] in OUTPUTS}
        if not finals:
            return _refused("prompt_no_outputs", "Prompt has no outputs")
        faults = {key: fault for key, node in graph.items() if (fault := self._fault_of(node))}
        good = [key for key, node in finals.items() if not _leads_to(graph, node, set(faults))]
        if not good:
            return _refused("prompt_outputs_failed_validation", "Validation failed", faults)
        names = [
            node["inputs"]["image"] for node in graph.values() if node["class_type"] == "LoadImage"
        ]
        node = good[0]
        media, listed = OUTPUTS[graph[node]["class_type"]]
        with self.runs.lock:
            free = max((run.finished_at for run in self._unfinished()), default=None)
            run = self.runs.add(
                model="workflow",
                media=media,
                input=graph,
                photo=self._photos.get(names[0]) if names else None,
                id=posted.get("prompt_id"),
                node=node,
                listed=listed,
                client=posted.get("client_id"),
            )
            if free is not None:
                self.runs.delay(run, free)
        return jsonify({"prompt_id": run.id, "number": run.number, "node_errors": faults})

    def _fault_of(self, node: dict[str, Any]) -> dict[str, Any] | None:
        inputs = node.get("inputs", {})
        missing = NODES[node["class_type"]] - set(inputs)
        words = f"Required input is missing: {', '.join(sorted(missing))}" if missing else ""
        if node["class_type"] == "LoadImage" and inputs.get("image") not in self._photos:
            words = words or f"Invalid image file: {inputs.get('image')}"
        if not words:
            return None
        error = {
            "type": "custom_validation_failed",
            "message": words,
            "details": "",
            "extra_info": {},
        }
        return {"errors": [error], "dependent_outputs": [], "class_type": node["class_type"]}

    def _unfinished(self) -> list[Run]:
        now = self.clock.now()
        oldest_first = reversed(self.runs.newest_first())
        return [run for run in oldest_first if run.phase(now) in ("queued", "running")]

    def _phases_of(self, client: str | None) -> list[tuple[Run, str]]:
        now = self.clock.now()
        theirs = [run for run in self.runs.newest_first() if run.about["client"] == client]
        return [(run, run.phase(now)) for run in reversed(theirs)]

    def _queue(self) -> Response:
        now = self.clock.now()
        entries: dict[str, list[Any]] = {"running": [], "queued": []}
        for run in self._unfinished():
            entries[run.phase(now)].append([run.number, run.id, run.input, {}, [run.about["node"]]])
        return jsonify({"queue_running": entries["running"], "queue_pending": entries["queued"]})

    def _change_queue(self) -> Response:
        now = self.clock.now()
        for identifier in (request.get_json(force=True, silent=True) or {}).get("delete", []):
            run = self.runs.get(identifier)
            if run is not None and run.phase(now) == "queued":
                self.runs.remove(run)  # it leaves no trace in the history
        return Response(status=200)

    def _interrupt(self) -> Response:
        wanted = (request.get_json(force=True, silent=True) or {}).get("prompt_id")
        for run in self._unfinished():
            if run.phase(self.clock.now()) == "running" and wanted in (None, run.id):
                self.runs.cancel(run)
        return Response(status=200)

    def _history(self, identifier: str | None) -> Response:
        now = self.clock.now()
        runs = [run for run in self.runs.newest_first() if identifier in (None, run.id)]
        if identifier is not None:
            for run in runs:
                run.polls += 1
        ended = [run for run in runs if run.phase(now) in ("ended", "stopped")]
        return jsonify({run.id: self._entry(run) for run in ended})

    def _entry(self, run: Run) -> dict[str, Any]:
        """An entry of the history."""
        about = {"prompt_id": run.id, "timestamp": int(run.created_at.timestamp() * 1000)}
        messages: list[list[Any]] = [["execution_start", about]]
        entry: dict[str, Any] = {"prompt": [run.number, run.id, run.input, {}, []], "outputs": {}}
        failure = _failure_of(run)
        if run.phase(self.clock.now()) == "stopped":
            messages.append(["execution_interrupted", about])
        elif failure is not None:
            kind, words = failure
            error = {"node_id": "1", "exception_type": kind, "exception_message": words}
            messages.append(["execution_error", about | error])
        else:
            messages.append(["execution_success", about])
            entry["outputs"] = _outputs(run)
        well = messages[-1][0] == "execution_success"
        status = {"status_str": "success" if well else "error", "completed": well}
        if run.script.end == "weird":
            status["status_str"] = "archived"
        return entry | {"status": status | {"messages": messages}, "meta": {}}

    def _view(self) -> Response:
        run = self.runs.get(request.args.get("filename", "").partition("_")[0])
        return files.serve(run, run.media) if run is not None else Response(status=404)


def _outputs(run: Run) -> dict[str, Any]:
    if run.script.end in ("mute", "weird"):
        return {}
    suffix = "mp4" if run.media == "video" else "jpg"
    file = {"filename": f"{run.id}_00001_.{suffix}", "subfolder": "", "type": "output"}
    return {run.about["node"]: {run.about["listed"]: [file], "animated": [run.media == "video"]}}


def _failure_of(run: Run) -> tuple[str, str] | None:
    if run.script.end in _FAILURES:
        kind, words = _FAILURES[run.script.end]
        return kind, run.script.error or words
    if run.photo is None:
        return None if "LoadImage" not in str(run.input) else _FAILURES["input"]
    try:
        outputs.check(run.photo)
    except outputs.UnusablePhoto as problem:
        if problem.code == "image_load_error":
            return _FAILURES["input"]
    return None


def _leads_to(graph: dict[str, Any], node: dict[str, Any], faulty: set[str]) -> bool:
    """Whether a node, or one that it takes something from, is faulty."""
    if any(graph[key] is node for key in faulty):
        return True
    links = [value for value in node.get("inputs", {}).values() if isinstance(value, list)]
    sources = [graph[link[0]] for link in links if link and link[0] in graph]
    return any(_leads_to(graph, source, faulty) for source in sources)


def _fault(fault: Fault) -> Response:
    return Response(fault.description or "Internal Server Error", status=fault.status)


def _refused(kind: str, words: str, faults: dict[str, Any] | None = None) -> Response:
    error = {"type": kind, "message": words, "details": "", "extra_info": {}}
    answer = jsonify({"error": error, "node_errors": faults or {}})
    answer.status_code = 400
    return answer

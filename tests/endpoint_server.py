"""A server of this machine that speaks OpenAI's chat completions, and misbehaves as a test says."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from rlaudio.utils.endpoint.client import Asking

Behaviour = Callable[[BaseHTTPRequestHandler], None]


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # connections that wait to be accepted


class Server:
    """A server of this machine: it takes the behaviours in `script` one by one, then answers well."""

    def __init__(self) -> None:
        self.script: list[Behaviour] = []
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.text_for: Callable[[dict[str, Any]], str] = lambda body: "fine"
        self.most_at_once = 0
        self._under_way: set[BaseHTTPRequestHandler] = set()
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with server._lock:
                    server.bodies.append(body)
                    server.headers.append({"path": self.path, **dict(self.headers)})
                    behave = server.script.pop(0) if server.script else says(server.text_for(body))
                    server._under_way.add(self)
                    server.most_at_once = max(server.most_at_once, len(server._under_way))
                try:
                    behave(self)
                finally:
                    self._answers()

            do_GET = do_POST

            def send_response(self, *given: Any) -> None:
                self._answers()  # before the client, which may ask again at once, can know
                super().send_response(*given)

            def _answers(self) -> None:
                with server._lock:
                    server._under_way.discard(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._http = _Http(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


def sends(status: int, content: bytes | str, **headers: str) -> Behaviour:
    def behave(handler: BaseHTTPRequestHandler) -> None:
        data = content.encode() if isinstance(content, str) else content
        handler.send_response(status)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in ({"Content-Length": str(len(data))} | named).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)

    return behave


def says(text: str | None, finish_reason: str = "stop", **usage: Any) -> Behaviour:
    answer = {
        "choices": [{"message": {"content": text}, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 2} | usage,
    }
    return sends(200, json.dumps(answer))


def tells(*tokens: tuple[str, float]) -> Behaviour:
    """An answer of one token, with these likeliest ones."""
    top = [{"token": token, "logprob": logprob, "bytes": None} for token, logprob in tokens]
    first = {"token": tokens[0][0], "logprob": tokens[0][1], "top_logprobs": top}
    choice = {
        "message": {"content": tokens[0][0]},
        "finish_reason": "length",
        "logprobs": {"content": [first]},
    }
    return sends(200, json.dumps({"choices": [choice], "usage": {}}))


def fails(status: int, said: str = "no", **headers: str) -> Behaviour:
    return sends(status, json.dumps({"error": {"message": said}}), **headers)


def hangs_up(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def patient(folder: Path, **changes: Any) -> Asking:
    """As by default, one request at a time, with waits of a millisecond."""
    return Asking(
        **{"folder": folder / "answers", "first_wait_seconds": 0.001, "concurrency": 1, "timeout_seconds": 5}
        | changes
    )

"""The client of a server's small requests."""

import socket
import threading

from rlaudio.rollout.vllm.http import UNIX, Service


def test_a_server_that_answers_by_the_head_alone_and_closes_has_answered(tmp_path):
    path = str(tmp_path / "socket")
    server_socket = socket.socket(socket.AF_UNIX)
    server_socket.bind(path)
    server_socket.listen()

    def answer():
        connection, _ = server_socket.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    thread = threading.Thread(target=answer)
    thread.start()
    body = {"text": "x" * 5_000_000}  # more than the socket takes before the server closes
    assert Service(f"{UNIX}{path}").post("reset_encoder_cache", body) == {}
    thread.join()
    server_socket.close()

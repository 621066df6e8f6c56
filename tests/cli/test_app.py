"""`espalier app` in a process of its own: what it serves, to whom, and how it ends."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from engine.cli.commands.app import HOST
from engine.cli.main import main
from engine.storage import directories
from tests.cli.conftest import Said
from tests.support.places import ROOT


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        body: bytes = answer.read()
    return body


def handshake(port: int, host: str) -> int:
    """What the server answers to a browser that opens its stream under the name `host`: 101 when it takes it."""
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    key = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}  # the one of RFC 6455
    connection.request("GET", "/_stcore/stream", headers={**upgrade, **key, "Host": f"{host}:{port}"})
    status = connection.getresponse().status
    connection.close()
    return status


def answered(port: int, request: str) -> int:
    """The status of what the server answers to a request as it goes over a socket."""
    with socket.create_connection((HOST, port), timeout=60) as connection:
        connection.sendall(request.replace("\n", "\r\n").encode())
        return int(connection.recv(64).split()[1])


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def server(port: int, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The dashboard, started in a folder that has nothing to do with the project but settings of its own."""
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "config.toml").write_text('[server]\naddress = "0.0.0.0"\n')
    command = [sys.executable, "-m", "engine", "app", "--port", str(port), "--results", "mine"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    try:
        end = time.monotonic() + 180
        while True:
            try:
                assert get(f"http://{HOST}:{port}/_stcore/health") == b"ok"
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < end
                time.sleep(0.2)
        yield process
    finally:
        process.kill()
        process.communicate()


def test_it_serves_this_computer_alone_until_control_c(server: subprocess.Popen[str], port: int) -> None:
    assert b"<html" in get(f"http://{HOST}:{port}/")
    listening = [c.laddr for c in psutil.Process(server.pid).net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    assert [(address.ip, address.port) for address in listening] == [(HOST, port)]
    assert handshake(port, HOST) == 101 and handshake(port, "rebound.example") in (400, 403)
    key = "Sec-WebSocket-Version: 13\nSec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1Ng=="
    for host in ("rebound.example", f"{HOST}.rebound.example:{port}", f"{HOST}@rebound.example", "localhost/x", ""):
        stream = f"GET /_stcore/stream HTTP/1.1\nHost: {host}\nOrigin: http://{host}\n{key}\n"
        stream += "Upgrade: websocket\nConnection: Upgrade\n\n"
        assert answered(port, stream) in (400, 403), host
        for path in ("/", "/runs", "/_stcore/health"):
            assert answered(port, f"GET {path} HTTP/1.1\nHost: {host}\nConnection: close\n\n") == 400, (host, path)
    upload = "PUT /_stcore/upload_file/nobody/0 HTTP/1.1\nHost: rebound.example\nContent-Length: 1\n\nx"
    assert answered(port, upload) in (400, 403), "files are taken from a page that was let in alone"
    server.send_signal(signal.SIGINT)
    out, _ = server.communicate(timeout=120)
    assert server.returncode == 0
    assert out.startswith(f"serving the dashboard on http://{HOST}:{port} (Ctrl-C ends it; running jobs go on)\n")


def test_a_port_that_is_taken_or_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        assert main(["app", "--port", str(port), "--results", str(tmp_path)]) == 2
    answer = capsys.readouterr().err
    assert answer == f"port {port} of 127.0.0.1 cannot be used: Address already in use; give another one by --port\n"
    assert main(["app", "--port", "0", "--results", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "port must be 1 to 65535 (got 0)\n"


def test_without_streamlit_it_says_so(
    tmp_path: Path, port: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "streamlit.web", None)
    assert main(["app", "--port", str(port), "--results", str(tmp_path)]) == 1
    assert re.fullmatch(
        r"the dashboard needs Streamlit, and it cannot be imported: .+; install it\n", capsys.readouterr().err
    )


def test_its_help_says_what_every_option_is(espalier: Callable[..., Said]) -> None:
    answer = espalier("app", "--help")
    assert answer.code == 0 and answer.err == "" and "Usage: espalier app" in answer.out
    assert {"--port", "--results", "--help"} == set(re.findall(r"--[a-z]+", answer.out))


def test_the_projects_settings_are_options_that_streamlit_knows() -> None:
    from streamlit import config

    from engine.cli.commands.app import _settings

    file = directories.streamlit_settings()
    assert file == ROOT / ".streamlit" / "config.toml"
    settings = _settings(file)
    assert settings["server.address"] == HOST and settings["theme.dark.primaryColor"].startswith("#")
    assert len(settings) == sum(1 for line in file.read_text().splitlines() if " = " in line and line[0] != "#")
    assert set(settings) <= set(config.get_config_options())
    assert tomllib.loads(file.read_text())["server"]["allowedHosts"] == ["localhost", HOST]

"""The SSH agent and its keys."""

import socket
import threading
from pathlib import Path
from typing import Any

import paramiko
from paramiko.agent import AgentSSH


class _Agent(AgentSSH):  # type: ignore[misc]
    """An agent at a socket of our choice; paramiko's own asks SSH_AUTH_SOCK alone."""

    def __init__(self, path: Path | None) -> None:
        super().__init__()
        self.is_there = False
        if path is None:
            return
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(path))
        except (OSError, ValueError):
            connection.close()  # the agent is gone, which is as good as none
            return
        self._connect(connection)
        self.is_there = True

    def close(self) -> None:
        self._close()


def connect_agent(path: Path | None, seconds: float = 5.0) -> Any | None:
    """The agent at a socket with its keys, none of them when there is no agent; None for one that does not answer."""
    agents: list[Any] = []

    def connect() -> None:
        try:
            agents.append(_Agent(path))
        except (paramiko.SSHException, OSError):
            return  # `agents` stays empty, which says it

    thread = threading.Thread(target=connect, daemon=True, name="ssh-agent")
    thread.start()
    thread.join(seconds)
    return agents[0] if agents else None

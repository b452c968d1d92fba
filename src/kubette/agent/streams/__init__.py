"""The streaming half of a node's API: exec, attach and port-forward over SPDY/3.1 and WebSocket.

``spdy`` is bytes ↔ frames (pure), ``session`` is streams over frames, ``upgrade`` takes a connection over
from aiohttp, ``remotecommand`` and ``portforward`` are the two protocols that kubectl speaks on top.
"""

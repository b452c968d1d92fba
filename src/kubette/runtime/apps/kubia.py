"""The walkthrough's app: answers ``You've hit <hostname>`` over HTTP on 8080 and HTTPS on 8443.

It is run as a script by an isolated interpreter (``python -I -S``) and starts in a few dozen milliseconds:
sockets and a poll loop, no http.server, and TLS loaded after HTTP answers. It imports nothing of kubette.
"""

import os
import select
import signal
import socket
import threading

_CERTIFICATE, _KEY = "/etc/kubia/tls.crt", "/etc/kubia/tls.key"
_LIMIT = 64 * 1024
_LAST_SECONDS = 1  # it goes on serving after SIGTERM: until every client has heard that it goes
_LINGER = 0.5  # seconds served after SIGTERM: clients are led here until the service's endpoints have followed


def listen(port: int) -> socket.socket:
    """A listener on every address of either family."""
    try:
        s = socket.socket(socket.AF_INET6)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        address = "::"
    except OSError:
        s = socket.socket(socket.AF_INET)
        address = "0.0.0.0"
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))
    s.listen(1024)
    return s


def answers(request: bytes, body: bytes) -> tuple[bytes, bytes, bool]:
    """Of what has come so far: the responses due, the unfinished rest, and whether to stay connected."""
    out, keep = b"", True
    while keep and (end := request.find(b"\r\n\r\n")) >= 0:
        head = request[:end].lower()
        length = 0
        for line in head.split(b"\r\n")[1:]:
            if line.startswith(b"content-length:"):
                length = int(line[15:]) if line[15:].strip().isdigit() else 0
        if len(request) < end + 4 + length:
            break
        request = request[end + 4 + length :]
        keep = b"connection: close" not in head and b" http/1.0\r" not in head.split(b"\n")[0] + b"\r"
        out += b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n%s\r\n%s" % (
            len(body),
            b"" if keep else b"Connection: close\r\n",
            b"" if head[:5] == b"head " else body,
        )
    return out, request, keep and len(request) < _LIMIT


def serve_http(listener: socket.socket, body: bytes) -> None:
    """All plain connections in one poll loop."""
    listener.setblocking(False)
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    clients: dict[int, tuple[socket.socket, bytes]] = {}
    while True:
        for fd, _ in poll.poll():
            if fd == listener.fileno():
                try:
                    client, _ = listener.accept()
                except OSError:
                    continue
                client.settimeout(5)  # a reader that takes nothing must not stop the others for long
                clients[client.fileno()] = client, b""
                poll.register(client, select.EPOLLIN)
                continue
            client, pending = clients[fd]
            try:
                data = client.recv(_LIMIT)
                out, pending, keep = answers(pending + data, body)
                if out:
                    client.sendall(out)
            except OSError:
                data, keep = b"", False
            if data and keep:
                clients[fd] = client, pending
            else:
                del clients[fd]
                client.close()


def serve_https(listener: socket.socket, body: bytes) -> None:
    """A thread a connection."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_CERTIFICATE, _KEY)

    def one(client: socket.socket) -> None:
        try:
            client.settimeout(60)
            with context.wrap_socket(client, server_side=True) as tls:
                pending, keep = b"", True
                while keep and (data := tls.recv(_LIMIT)):
                    out, pending, keep = answers(pending + data, body)
                    tls.sendall(out)
        except OSError:
            client.close()

    while True:
        client, _ = listener.accept()
        threading.Thread(target=one, args=(client,), name="https-client", daemon=True).start()


def main() -> None:
    def end(*_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, _LINGER)

    signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # it is the container's first process: orphans are left to it
    body = b"You've hit %s\n" % socket.gethostname().encode()
    port = int(os.environ.get("KUBIA_LISTEN_PORT", "8080"))
    plain, secure = listen(port), listen(8443)
    print("Kubia server starting...", flush=True)
    if os.path.exists(_CERTIFICATE):
        threading.Thread(target=serve_https, args=(secure, body), name="https", daemon=True).start()
    serve_http(plain, body)


if __name__ == "__main__":
    main()

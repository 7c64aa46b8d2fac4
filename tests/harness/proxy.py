"""A cable between a server and its database that can be cut at any byte."""

import socket
import threading


class Cable:
    """Forwards connections to `port` of the loopback, until it is told to cut them all."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._lock = threading.Lock()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        #: Bytes that may still pass in each direction before everything is cut; `None` = no end.
        self._left: dict[str, int | None] = {"up": None, "down": None}
        self._passed = {"up": 0, "down": 0}
        self._plugged = True
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def passed(self, direction: str) -> int:
        """Bytes that passed so far."""
        return self._passed[direction]

    def cut_after(self, direction: str, count: int) -> None:
        """Cuts every connection when so many more bytes have passed; new ones are refused until `plug`."""
        with self._lock:
            self._left[direction] = count

    def is_cut(self) -> bool:
        return not self._plugged

    def plug(self) -> None:
        """Lets connections through again."""
        with self._lock:
            self._left = {"up": None, "down": None}
            self._plugged = True

    def close(self) -> None:
        self._listener.close()
        with self._lock:
            self._cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if not self._plugged:
                    near.close()
                    continue
                try:
                    far = socket.create_connection(("127.0.0.1", self._target))
                except OSError:
                    near.close()
                    continue
                for end in (near, far):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                pair = (near, far)
                self._pairs.add(pair)
            for source, target, direction in ((near, far, "up"), (far, near, "down")):
                threading.Thread(target=self._carry, args=(source, target, direction, pair), daemon=True).start()

    def _carry(self, source, target, direction, pair) -> None:
        try:
            while data := source.recv(65536):
                with self._lock:
                    left = self._left[direction]
                    if left is not None:
                        data, self._left[direction] = data[:left], left - len(data[:left])
                    target.sendall(data)
                    self._passed[direction] += len(data)
                    if self._left[direction] == 0:
                        self._cut()
                        return
        except OSError:
            pass
        finally:
            with self._lock:
                self._pairs.discard(pair)
            for end in pair:
                _shut(end)

    def _cut(self) -> None:
        self._plugged = False
        for pair in self._pairs:
            for end in pair:
                _shut(end)


def _shut(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    end.close()

"""A viewer that is no browser: the WebSocket by hand, so that it can keep the rules or break them."""

import base64
import hashlib
import hmac
import os
import socket
import struct
import time

VERSION = 1
VIDEO, EXACT = 0, 1


class Refused(Exception):
    """The node has ended the conversation, and says why."""


def proof(token: str, nonce: bytes) -> bytes:
    key = hashlib.sha256(b"omega token 1" + token.encode()).digest()
    return hmac.new(key, b"omega viewer proof 1" + nonce, hashlib.sha256).digest()


class Viewer:
    """Connects, and shows what it may. `headers` take the place of those that a native viewer sends."""

    def __init__(self, address: str, token: str = "", setting: int = EXACT, **headers: str):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), 10)
        self.pending = b""
        self.rights = None
        self.number = 0
        self.windows = []
        self.window = 0
        self.frames = 0
        self.units = 0
        self.notices = []
        # Bands that could be shown: a unit of each has come.
        self.bands = set()
        self.upgrade(address, headers)
        if self.status != 101:
            return
        kind, _, needs_token = self.receive()[:3]
        assert kind == 1, f"the first message is of kind {kind}"
        nonce = self.message[4:]
        answer = proof(token, nonce) if token else bytes(32)
        self.needs_token = bool(needs_token)
        self.send(struct.pack("<BBBB", 0x81, VERSION, setting, 0) + answer)

    def upgrade(self, address: str, headers: dict[str, str]) -> None:
        fields = {
            "Host": address, "Upgrade": "websocket", "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{name}: {value}" for name, value in fields.items() if value]
        self.socket.sendall(("GET /view HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.pending:
            self.fill()
        head, self.pending = self.pending.split(b"\r\n\r\n", 1)
        self.status = int(head.split()[1])
        if self.status == 101:
            key = fields["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            accept = base64.b64encode(hashlib.sha1(key.encode()).digest())
            assert accept in head, head

    def fill(self) -> None:
        piece = self.socket.recv(1 << 18)
        if not piece:
            raise Refused(self.notices[-1] if self.notices else "the node has closed the connection")
        self.pending += piece

    def have(self, count: int) -> bytes:
        """The first bytes that have not been taken; nothing is lost when they do not come in time."""
        while len(self.pending) < count:
            self.fill()
        return self.pending[:count]

    def frame(self, opcode: int, payload: bytes, masked: bool = True) -> bytes:
        head = bytes([0x80 | opcode])
        flag = 0x80 if masked else 0
        if len(payload) < 126:
            head += bytes([flag | len(payload)])
        else:
            head += bytes([flag | 126]) + struct.pack(">H", len(payload))
        if not masked:
            return head + payload
        mask = os.urandom(4)
        return head + mask + bytes(b ^ mask[i & 3] for i, b in enumerate(payload))

    def send(self, payload: bytes) -> None:
        self.socket.sendall(self.frame(2, payload))

    def receive(self) -> bytes:
        """The next message; pings are answered on the way."""
        while True:
            first, second = self.have(2)
            count, head = second & 127, 2
            if count == 126:
                count, head = struct.unpack(">H", self.have(4)[2:])[0], 4
            elif count == 127:
                count, head = struct.unpack(">Q", self.have(10)[2:])[0], 10
            payload = self.have(head + count)[head:]
            self.pending = self.pending[head + count :]
            opcode = first & 15
            if opcode == 9:
                self.socket.sendall(self.frame(10, payload))
            elif opcode == 8:
                raise Refused(self.notices[-1] if self.notices else payload[2:].decode())
            elif opcode == 2:
                self.message = payload
                return payload

    def step(self, acknowledges: bool = True) -> int:
        """Takes one message; its kind."""
        data = self.receive()
        kind = data[0]
        if kind == 2:
            self.rights, self.number = data[1], struct.unpack_from("<I", data, 4)[0]
        elif kind == 3:
            self.notices.append(data[4:].decode())
        elif kind == 4:
            self.windows = self.read_windows(data)
        elif kind == 5:
            self.window = struct.unpack_from("<Q", data, 8)[0]
            self.bands = set()
        elif kind == 6:
            self.units += 1
            self.bands.add(data[8 + 4])
        elif kind == 7:
            self.frames += 1
            if acknowledges:
                frame = struct.unpack_from("<I", data, 4)[0]
                self.send(struct.pack("<BBHIII", 0x83, 0, 0, frame, 0, 500))
        return kind

    @staticmethod
    def read_windows(data: bytes) -> list[dict]:
        found, at = [], 8
        for _ in range(struct.unpack_from("<I", data, 4)[0]):
            application, process, window, width, height, takes, size = struct.unpack_from(
                "<IIQHHBB", data, at
            )
            name = data[at + 24 : at + 24 + size].decode()
            found.append(
                {"application": application, "process": process, "window": window,
                 "size": (width, height), "takes_input": bool(takes), "name": name}
            )
            at += 24 + (size + 3 & ~3)
        return found

    def until(self, condition, seconds: float, what: str, acknowledges: bool = True) -> None:
        end = time.monotonic() + seconds
        while not condition(self):
            left = end - time.monotonic()
            assert left > 0, f"{what}: not within {seconds} s ({self.frames} frames, {self.notices})"
            self.socket.settimeout(left)
            try:
                self.step(acknowledges)
            except TimeoutError:
                pass

    def watch(self, application: int, window: int = 0) -> None:
        self.send(struct.pack("<BBHIQ", 0x82, 0, 0, application, window))

    def input(self, *events: tuple[int, int, int, int, int]) -> None:
        """Events: kind, state, code, x, y."""
        data = struct.pack("<BBH", 0x84, len(events), 0)
        for event in events:
            data += struct.pack("<BBHiiI", *event, 0)
        self.send(data)

    def close(self) -> None:
        self.socket.close()

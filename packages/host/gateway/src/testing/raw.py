"""What Node cannot send: `ping ADDRESS [SECONDS]`, `protocol NUMBER ADDRESS`, `frames HEX...` on eth0. Says `open` when a ping was answered."""
import os
import socket
import struct
import sys

# a busy host may stand still for seconds
SILENCE_S = 15.0


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def ping(address, silence=SILENCE_S):
    six = ":" in address
    kind, answer = (128, 129) if six else (8, 0)
    protocol = socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP
    message = struct.pack("!BBHHH", kind, 0, 0, os.getpid() & 0xFFFF, 1)
    if not six:
        total = sum(struct.unpack("!4H", message))
        total = (total & 0xFFFF) + (total >> 16)
        message = struct.pack("!BBHHH", kind, 0, ~total & 0xFFFF, os.getpid() & 0xFFFF, 1)
    with socket.socket(family(address), socket.SOCK_RAW, protocol) as raw:
        raw.settimeout(float(silence))
        try:
            raw.connect((address, 0))
            raw.send(message)
            while True:
                got = raw.recv(2048)
                if got[0 if six else 20] == answer:
                    return "open"
        except OSError:
            return "refused"


mode, *rest = sys.argv[1:]
if mode == "ping":
    print(ping(*rest))
elif mode == "protocol":
    with socket.socket(family(rest[1]), socket.SOCK_RAW, int(rest[0])) as raw:
        raw.sendto(b"raw", (rest[1], 0))
elif mode == "frames":
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind(("eth0", 0))
        for text in rest:
            raw.send(bytes.fromhex(text))

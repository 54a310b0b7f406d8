"""Speaks the guest protocol with the agent built for the host (under ASan and UBSan). Usage: protocol_test.py AGENT TASK"""
import contextlib
import io
import json
import os
import socket
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

BINARY, TASK = os.path.abspath(sys.argv.pop(1)), os.path.abspath(sys.argv.pop(1))
MAGIC = b"ISTHMUS-AGENT/1\n"
HELLO, REQUEST, REPLY, DATA, CREDIT, EXIT, EVENT = range(1, 8)
END = 0x80
WINDOW = 262144
DEADLINE_S = 30


def frame(kind, flags, stream, payload=b"", length=None, reserved=0):
    return struct.pack("<IBBHI", len(payload) if length is None else length, kind, flags, reserved, stream) + payload


class Host:
    def __init__(self, path):
        self.buffer, self.kept, self.next_id = b"", [], 10
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE_S)
        end = time.monotonic() + DEADLINE_S
        while self.socket.connect_ex(path) != 0:
            assert time.monotonic() < end, "the agent does not listen"
            time.sleep(0.01)

    def fill(self):
        data = self.socket.recv(1 << 20)
        if not data:
            raise EOFError
        self.buffer += data

    def greet(self, session=None):
        while MAGIC not in self.buffer:
            self.fill()
        self.buffer = self.buffer[self.buffer.index(MAGIC) + len(MAGIC) :]
        kind, _, _, payload = self.frame()
        assert kind == HELLO
        hello = json.loads(payload)
        self.send(HELLO, 0, 0, json.dumps({"protocol": 1, "session": hello["session"] if session is None else session}).encode())
        return hello

    def send(self, *args, **named):
        self.socket.sendall(frame(*args, **named))

    def frame(self):
        while True:
            if len(self.buffer) >= 12:
                length, kind, flags, _, stream = struct.unpack("<IBBHI", self.buffer[:12])
                if len(self.buffer) >= 12 + length:
                    payload, self.buffer = self.buffer[12 : 12 + length], self.buffer[12 + length :]
                    return kind, flags, stream, payload
            self.fill()

    def next(self):
        return self.kept.pop(0) if self.kept else self.frame()

    def request(self, op, **fields):
        self.next_id += 1
        stream = self.next_id
        self.send(REQUEST, 0, stream, json.dumps({"op": op, **fields}).encode())
        while True:
            got = self.frame()
            if got[0] == REPLY and got[2] == stream:
                return stream, json.loads(got[3])
            self.kept.append(got)

    def run(self, op="exec", feed=None, **fields):
        """The reply when it is an error, otherwise the exit with all output."""
        stream, reply = self.request(op, stdin=feed is not None, **fields)
        if not reply["ok"]:
            return reply
        out, ended, credit, sent = {1: b"", 2: b""}, set(), WINDOW, 0
        while True:
            while feed is not None and (credit > 0 or sent == len(feed)):
                piece = feed[sent : sent + min(credit, 65536)]
                sent, credit = sent + len(piece), credit - len(piece)
                done = sent == len(feed)
                self.send(DATA, END if done else 0, stream, piece)
                feed = None if done else feed
            kind, flags, got, payload = self.next()
            if got != stream:
                continue
            if kind == DATA:
                out[flags & 3] += payload
                ended |= {flags & 3} if flags & END else set()
                if payload:
                    self.send(CREDIT, flags & 3, stream, struct.pack("<I", len(payload)))
            elif kind == CREDIT:
                credit += struct.unpack("<I", payload)[0]
            elif kind == EXIT:
                return {"exit": json.loads(payload), "out": out[1], "err": out[2], "ended": ended}

    def drain(self):
        """Everything until the agent closes."""
        frames = list(self.kept)
        with contextlib.suppress(EOFError, ConnectionResetError):
            while True:
                frames.append(self.frame())
        return frames

    def close(self):
        self.socket.close()


def archive(*entries):
    """(name, type, body or link, fields)"""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, kind, body, fields in entries:
            info = tarfile.TarInfo(name)
            info.type, info.uid, info.gid = kind, os.getuid(), os.getgid()
            for key, value in fields.items():
                setattr(info, key, value)
            if kind == tarfile.REGTYPE:
                info.size = len(body)
            elif isinstance(body, str):
                info.linkname = body
            tar.addfile(info, io.BytesIO(body) if kind == tarfile.REGTYPE else None)
    return data.getvalue()


class AgentTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "s")
        self.output = os.path.join(self.folder.name, "o")
        environment = {**os.environ, "HOST_AGENT_SOCKET": self.path, "HOST_AGENT_OUTPUT": self.output, "HOST_AGENT_TASK": TASK}
        self.agent = subprocess.Popen([BINARY], env=environment)
        self.host = Host(self.path)
        self.hello = self.host.greet()
        self.early = self.host.request("exec", argv=["true"])[1]
        self.assertEqual(self.host.request("configure")[1], {"ok": True})

    def tearDown(self):
        self.host.close()
        ended = self.agent.poll()
        if ended is None:
            self.agent.kill()
        self.agent.wait()
        self.folder.cleanup()
        self.assertIn(ended, (None, 0), "the agent crashed")

    def reconnect(self):
        self.host.close()
        self.host = Host(self.path)
        return self.host.greet()

    def records(self):
        with open(self.output, "rb") as file:
            data = file.read()
        records = []
        while data:
            magic, length, _, seq, kind, _, _ = struct.unpack("<4sIQIBBH", data[:24])
            self.assertEqual((magic, seq), (b"ILOG", len(records)))
            records.append((kind, data[24 : 24 + length]))
            data = data[24 + length :]
        return records

    def sh(self, script, **fields):
        return self.host.run(argv=["sh", "-c", script], **fields)

    def test_greets_and_answers(self):
        self.assertEqual((self.hello["protocol"], self.hello["session"], self.hello["state"]), (1, 1, "idle"))
        self.assertEqual(self.host.request("ping")[1], {"ok": True})
        self.assertEqual(self.host.request("nonsense")[1]["error"]["code"], "unknown_op")
        self.assertEqual(self.host.request("exec", argv="x")[1]["error"]["code"], "bad_request")
        self.assertEqual(self.host.request("exec", argv=["x"], cwd="relative")[1]["error"]["code"], "bad_request")

    def test_is_configured_before_all_that_needs_its_root(self):
        self.assertEqual(self.early["error"]["code"], "bad_state")
        for field, value in (
            ("hostname", "a b"), ("machineId", "0" * 31), ("bootId", "x" * 36), ("bootId", "0" * 37), ("entropy", "*"), ("clock", "now"),
            ("clock", {"sec": -1}), ("network", []), ("network", {"mac": "52:54:00:12:34:56" * 2}), ("network", {"address": 1})):
            with self.subTest(field, value=value):
                self.assertIn(self.host.request("configure", **{field: value})[1].get("error", {}).get("code"), ("bad_request", "io_error"))
        for fields in ({"type": "ext4", "source": "vol0"}, {"type": "ext4", "path": "/x"}, {"type": "ext4", "source": "vol0", "path": "x"}, {"type": 1, "source": "a", "path": "/x"}, {"source": "a", "path": "/x"}):
            self.assertEqual(self.host.request("mount", **fields)[1]["error"]["code"], "bad_request")
        for fields in ({"type": "proc", "source": "proc"}, {"type": "ext4", "source": "/dev/sda"}, {"type": "ext4", "source": "vol7"}):
            got = self.host.run("mount", path=os.path.dirname(self.output), **fields)
            self.assertEqual((got["exit"], got["err"].split(b"\n")[0]), ({"code": 1}, b"io_error"))
        self.assertEqual(self.host.request("configure", network=None, clock=None, bootId=None)[1], {"ok": True})

    def test_keeps_stdout_stderr_and_exit_apart(self):
        got = self.sh("echo a; echo b >&2; exit 3")
        self.assertEqual(got, {"exit": {"code": 3}, "out": b"a\n", "err": b"b\n", "ended": {1, 2}})

    def test_gives_exit_codes_as_a_shell_does(self):
        self.assertEqual(self.host.run(argv=["/no/such"])["exit"], {"code": 127})
        self.assertEqual(self.host.run(argv=["/etc/passwd"])["exit"], {"code": 126})
        self.assertEqual(self.sh("kill -9 $$")["exit"], {"code": 137, "signal": 9})
        self.assertEqual(self.host.run(argv=["true"], user="no-such-user")["error"]["code"], "bad_user")

    def test_ends_stdin_on_its_own(self):
        data = os.urandom(3 << 20)
        self.assertEqual(self.host.run(argv=["cat"], feed=data)["out"], data)
        self.assertEqual(self.host.run(argv=["cat"], feed=b"")["out"], b"")
        self.assertEqual(self.host.run(argv=["true"], feed=data)["exit"], {"code": 0})

    def test_stops_at_the_credit(self):
        stream, _ = self.host.request("exec", argv=["head", "-c", "1000000", "/dev/zero"])
        got = 0
        while got < WINDOW:
            got += len(self.host.next()[3])
        self.host.request("ping")
        self.assertEqual((got, self.host.kept), (WINDOW, []))
        self.host.send(CREDIT, 1, stream, struct.pack("<I", 1000000))
        kind = 0
        while kind != EXIT:
            kind, flags, _, payload = self.host.next()
            got += len(payload) if kind == DATA else 0
        self.assertEqual(got, 1000000)

    def test_does_not_wait_for_descendants(self):
        got = self.sh("sleep 1000 & echo x")
        self.assertEqual((got["out"], got["exit"]), (b"x\n", {"code": 0}))
        got = self.sh("trap '' HUP; sleep 1000 & echo x", tty=True)
        self.assertEqual((got["out"], got["exit"]), (b"x\r\n", {"code": 0}))

    def test_gives_a_terminal(self):
        stream, _ = self.host.request("exec", argv=["sh", "-c", "stty size; read x; stty size; cat; exit 4"], tty=True, stdin=True, cols=100, rows=30)
        seen = self.until(b"30 100")
        self.assertEqual(self.host.request("resize", stream=stream, cols=77, rows=11)[1], {"ok": True})
        self.host.send(DATA, 0, stream, b"go\n")
        seen = self.until(b"11 77")
        self.host.send(DATA, END, stream)
        self.assertIn(b'{"code":4}', self.until(b'"code"'), seen)

    def until(self, wanted):
        seen = b""
        while wanted not in seen:
            seen += self.host.next()[3]
        return seen

    def test_signals_a_stream(self):
        stream, _ = self.host.request("exec", argv=["sleep", "1000"])
        self.assertEqual(self.host.request("signal", stream=stream, signal=15)[1], {"ok": True})
        self.assertIn(b'{"code":143,"signal":15}', self.until(b'"code"'))
        self.assertEqual(self.host.request("signal", stream=stream, signal=15)[1]["error"]["code"], "no_such_stream")

    def test_limits_streams(self):
        replies = [self.host.request("exec", argv=["sleep", "1000"])[1] for _ in range(65)]
        self.assertEqual([r["ok"] for r in replies], [True] * 64 + [False])
        self.assertEqual(replies[-1]["error"]["code"], "too_many_streams")

    def test_puts_and_gets(self):
        big = os.urandom(200000)
        target = os.path.join(self.folder.name, "t")
        os.makedirs(os.path.join(target, "link-target"))
        os.symlink("link-target", os.path.join(target, "kept"))
        data = archive(
            ("d", tarfile.DIRTYPE, None, {"mode": 0o750, "mtime": 1000000000}),
            ("d/f", tarfile.REGTYPE, b"hi", {"mode": 0o640, "mtime": 1234567890}),
            ("d/h", tarfile.LNKTYPE, "d/f", {}),
            ("d/l", tarfile.SYMTYPE, "/etc", {}),
            ("d/fifo", tarfile.FIFOTYPE, None, {"mode": 0o600}),
            ("d/" + "n" * 150 + "/" + "m" * 150, tarfile.REGTYPE, big, {}),
            ("kept", tarfile.DIRTYPE, None, {}),
            ("kept/below", tarfile.REGTYPE, b"b", {}),
            ("d/f", tarfile.REGTYPE, b"again", {"mode": 0o640, "mtime": 1234567890}),
        )
        self.assertEqual(self.host.run("put", feed=data, path=target)["exit"], {"code": 0})
        self.assertTrue(os.path.islink(os.path.join(target, "kept")))
        self.assertTrue(os.path.exists(os.path.join(target, "link-target", "below")))
        got = self.host.run("get", path=os.path.join(target, "d"))
        self.assertEqual(got["exit"], {"code": 0})
        with tarfile.open(fileobj=io.BytesIO(got["out"])) as tar:
            members = {m.name: m for m in tar.getmembers()}
            long = "d/" + "n" * 150 + "/" + "m" * 150
            self.assertEqual(set(members), {"d", "d/f", "d/h", "d/l", "d/fifo", os.path.dirname(long), long})
            self.assertEqual((members["d"].mode, members["d"].mtime), (0o750, 1000000000))
            self.assertEqual((members["d/f"].mode, members["d/f"].mtime, tar.extractfile("d/f").read()), (0o640, 1234567890, b"again"))
            self.assertEqual((tar.extractfile("d/h").read(), members["d/l"].linkname), (b"hi", "/etc"))
            self.assertEqual(tar.extractfile(long).read(), big)
        twins = os.path.join(self.folder.name, "twins")
        os.makedirs(twins)
        with open(os.path.join(twins, "a"), "wb") as file:
            file.write(b"x")
        os.link(os.path.join(twins, "a"), os.path.join(twins, "b"))
        with tarfile.open(fileobj=io.BytesIO(self.host.run("get", path=twins)["out"])) as tar:
            self.assertEqual(sorted(m.type for m in tar.getmembers() if m.name != "twins"), [tarfile.REGTYPE, tarfile.LNKTYPE])

    def test_never_puts_outside_of_the_folder(self):
        outside = os.path.join(self.folder.name, "outside")
        target = os.path.join(self.folder.name, "t")
        os.makedirs(outside)
        os.makedirs(target)
        secret = os.path.join(self.folder.name, "secret")
        with open(secret, "wb") as file:
            file.write(b"s")
        for name, entries, code in (
            ("dotdot", [("../evil", tarfile.REGTYPE, b"x", {})], "bad_archive"),
            ("inner dotdot", [("a/../../evil", tarfile.REGTYPE, b"x", {})], "bad_archive"),
            ("absolute", [(outside + "/evil", tarfile.REGTYPE, b"x", {})], None),
            ("absolute link", [("l1", tarfile.SYMTYPE, outside, {}), ("l1/evil", tarfile.REGTYPE, b"x", {})], "io_error"),
            ("relative link", [("l2", tarfile.SYMTYPE, "../../outside", {}), ("l2/evil", tarfile.REGTYPE, b"x", {})], "io_error"),
            ("overwrite through link", [("l3", tarfile.SYMTYPE, outside + "/evil", {}), ("l3", tarfile.REGTYPE, b"x", {})], None),
            ("hard link", [("h", tarfile.LNKTYPE, "../../secret", {})], "bad_archive"),
            ("hard link by link", [("l4", tarfile.SYMTYPE, "../..", {}), ("h", tarfile.LNKTYPE, "l4/secret", {})], "io_error"),
            ("folder over link", [("l5", tarfile.SYMTYPE, outside, {}), ("l5", tarfile.DIRTYPE, None, {"mode": 0}), ("l5/evil", tarfile.REGTYPE, b"x", {})], None),
            ("proc", [("p", tarfile.SYMTYPE, "/proc/self/root" + outside, {}), ("p/evil", tarfile.REGTYPE, b"x", {})], "io_error"),
        ):
            with self.subTest(name), tempfile.TemporaryDirectory(dir=target) as fresh:
                got = self.host.run("put", feed=archive(*entries), path=fresh)
                self.assertEqual((got["exit"]["code"], got["err"].split(b"\n")[0].decode()), (1, code) if code else (0, ""), got)
                self.assertEqual((os.listdir(outside), os.stat(secret).st_nlink), ([], 1))
                self.assertFalse(os.path.exists(os.path.join(self.folder.name, "evil")))
                self.assertEqual(sorted(set(os.listdir(target)) - {os.path.basename(fresh)}), [])

    def test_names_what_is_wrong_with_an_archive_or_path(self):
        target = self.folder.name
        good = archive(("f", tarfile.REGTYPE, b"x" * 5000, {}))
        for name, data in (("noise", b"noise" * 500), ("cut header", good[:300]), ("cut body", good[:2000]), ("checksum", b"g" + good[1:])):
            with self.subTest(name):
                got = self.host.run("put", feed=data, path=target)
                self.assertEqual((got["exit"], got["err"].split(b"\n")[0]), ({"code": 1}, b"bad_archive"))
        for op, path, code in (("put", "/no/such", "not_found"), ("put", self.output, "not_a_directory"), ("get", "/no/such", "not_found"), ("get", "x", "bad_request"), ("stat", "/no/such", "not_found")):
            with self.subTest(op + path):
                self.assertEqual(self.host.request(op, path=path)[1]["error"]["code"], code)

    def test_drops_the_session_on_a_protocol_error_and_greets_again(self):
        exec_stream, _ = self.host.request("exec", argv=["sleep", "1000"], stdin=True)
        for name, data in (
            ("type", frame(99, 0, 0)),
            ("agent's type", frame(REPLY, 0, 5, b"{}")),
            ("length", frame(DATA, 0, 5, length=65537)),
            ("reserved", frame(DATA, 0, 5, reserved=1)),
            ("flags", frame(DATA, 1, 5)),
            ("stream 0", frame(REQUEST, 0, 0, b"{}")),
            ("stream 1", frame(REQUEST, 0, 1, b"{}")),
            ("array", frame(REQUEST, 0, 7, b"[]")),
            ("nesting", frame(REQUEST, 0, 7, b'{"a":' + b"[" * 9 + b"]" * 9 + b"}")),
            ("trailing", frame(REQUEST, 0, 7, b"{} x")),
            ("second hello", frame(HELLO, 0, 0, b'{"protocol":1,"session":1}')),
            ("credit size", frame(CREDIT, 1, 5, b"12345")),
        ):
            with self.subTest(name):
                self.host.socket.sendall(data + frame(REQUEST, 0, 900, b'{"op":"ping"}'))
                kind, _, _, payload = self.host.next()
                self.assertEqual((kind, json.loads(payload)["event"]), (EVENT, "protocol_error"))
                before = self.hello["session"]
                self.hello = self.reconnect()
                self.assertGreater(self.hello["session"], before)
                self.assertEqual(self.host.request("ping")[1], {"ok": True})
        self.assertEqual(self.host.request("signal", stream=exec_stream, signal=0)[1]["error"]["code"], "no_such_stream")

    def test_holds_a_host_to_its_credit_and_stream_ids(self):
        stream, _ = self.host.request("exec", argv=["sleep", "1000"], stdin=True)
        self.host.socket.sendall(frame(DATA, 0, stream, b"x" * 65536) * 9)
        self.assertIn(b"protocol_error", self.until(b"protocol_error"))
        self.reconnect()
        stream, _ = self.host.request("exec", argv=["sleep", "1000"], stdin=True)
        self.host.send(REQUEST, 0, stream, b'{"op":"ping"}')
        self.assertIn(b"in use", self.until(b"protocol_error"))

    def test_refuses_a_hello_of_another_session(self):
        self.host.close()
        self.host = Host(self.path)
        self.host.greet(session=1)
        self.assertIn(b"protocol_error", self.until(b"protocol_error"))

    def test_survives_a_host_that_goes_in_the_middle_of_a_frame(self):
        for _ in range(5):
            self.host.request("exec", argv=["cat"], stdin=True)
            self.host.request("exec", argv=["yes"])
            self.host.socket.sendall(frame(DATA, 0, self.host.next_id, b"half", length=5000))
            self.reconnect()
        self.assertEqual(self.sh("echo ok")["out"], b"ok\n")

    def test_records_the_workload_and_ends(self):
        _, reply = self.host.request("start", argv=["sh", "-c", "echo out; echo err >&2; read x; echo $x; exit 5"], stdin=True, env=["A=1"])
        self.assertTrue(reply["ok"])
        self.assertEqual(self.host.request("start", argv=["true"])[1]["error"]["code"], "already_started")
        self.assertEqual(self.reconnect()["state"], "running")
        self.assertEqual(self.host.next(), (CREDIT, 0, 1, struct.pack("<I", WINDOW)))
        self.host.send(DATA, END, 1, b"in\n")
        self.assertEqual(self.host.drain()[-1], (EVENT, 0, 0, b'{"event":"exited","code":5}'))
        self.assertEqual(self.agent.wait(), 0)
        records = self.records()
        self.assertEqual(records[0], (5, json.dumps({"pid": reply["pid"]}, separators=(",", ":")).encode()))
        self.assertEqual(b"".join(r[1] for r in records if r[0] == 1), b"out\nin\n")
        self.assertEqual(b"".join(r[1] for r in records if r[0] == 2), b"err\n")
        self.assertEqual(records[-1], (3, b'{"code":5}'))

    def test_records_all_output_with_nobody_listening(self):
        self.host.request("start", argv=["sh", "-c", "sleep 0.3; head -c 5000000 /dev/zero; exec 2>&1; ls /no/such/file; exit 0"])
        self.host.close()
        self.assertEqual(self.agent.wait(), 0)
        records = self.records()
        self.assertEqual(sum(len(r[1]) for r in records if r[0] == 1), 5000000 + sum(len(r[1]) - r[1].count(b"\0") for r in records if r[0] == 1))
        self.assertEqual(records[-1], (3, b'{"code":0}'))

    def test_says_what_it_dropped(self):
        self.host.request("start", argv=["sh", "-c", "sleep 0.5; head -c 100000 /dev/zero; sleep 0.2; echo late; exit 0"], unattendedMaxBytes=40000)
        self.host.close()
        self.assertEqual(self.agent.wait(), 0)
        records = self.records()
        kept = sum(len(r[1]) for r in records if r[0] == 1)
        self.assertLessEqual(kept, 40000)
        self.assertEqual(records[-2:], [(4, json.dumps({"bytes": 100005 - kept}, separators=(",", ":")).encode()), (3, b'{"code":0}')])

    def test_shuts_down_in_order(self):
        self.host.request("start", argv=["sh", "-c", "trap 'echo bye; exit 9' TERM; while :; do sleep 0.05; done"])
        while not self.sh("cat /proc/$PPID/task/*/children")["out"]:
            pass
        time.sleep(0.2)
        self.assertEqual(self.host.request("shutdown", signal=15, timeoutMs=20000)[1], {"ok": True})
        self.assertIn((EVENT, 0, 0, b'{"event":"exited","code":9}'), self.host.drain())
        self.assertEqual(self.agent.wait(), 0)
        self.assertEqual(self.records()[-2:], [(1, b"bye\n"), (3, b'{"code":9}')])

    def test_kills_what_does_not_stop(self):
        self.host.request("start", argv=["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"])
        self.host.request("exec", argv=["sleep", "1000"])
        time.sleep(0.3)
        self.host.request("shutdown", signal=15, timeoutMs=200)
        self.host.drain()
        self.assertEqual(self.agent.wait(), 0)
        self.assertEqual(self.records()[-1], (3, b'{"code":137,"signal":9}'))

    def test_powers_off_without_a_workload(self):
        self.assertEqual(self.host.request("shutdown")[1], {"ok": True})
        self.assertEqual(self.agent.wait(), 0)
        self.assertEqual(self.records(), [])

    def test_tells_paths_and_figures(self):
        link = os.path.join(self.folder.name, "l")
        os.symlink(b"to \xff \"q\"", os.fsencode(link))
        self.assertEqual(self.host.request("stat", path=link)[1]["target"], 'to ? "q"')
        self.assertEqual(self.host.request("stat", path="/etc/passwd")[1]["type"], "file")
        stats = json.loads(self.host.run("stats")["out"])
        self.assertGreater(stats["memory"]["totalBytes"], stats["memory"]["freeBytes"])
        self.assertGreater(stats["processes"], 0)

    def test_takes_many_requests_at_once(self):
        self.host.socket.sendall(b"".join(frame(REQUEST, 0, 1000 + n, b'{"op":"ping"}') for n in range(20000)))
        for n in range(20000):
            self.assertEqual(self.host.next(), (REPLY, 0, 1000 + n, b'{"ok":true}'))


if __name__ == "__main__":
    unittest.main(verbosity=1)

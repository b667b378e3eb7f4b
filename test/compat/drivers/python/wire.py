"""Speaks the line protocol of drivers/README.md."""

import base64
import hashlib
import json
import sys

INLINE_BYTES_MAX = 1024


def to_bytes(text):
    return None if text is None else base64.b64decode(text)


def to_text(data):
    """Base64, or a digest of what is too long for a line."""
    if data is None:
        return None
    if len(data) <= INLINE_BYTES_MAX:
        return base64.b64encode(data).decode()
    return "sha256:" + hashlib.sha256(data).hexdigest()


def record(offset, timestamp, key, value, headers):
    """One record as it was read."""
    pairs = [[name, to_text(data)] for name, data in headers]
    return {"offset": offset, "timestamp": timestamp, "key": to_text(key), "value": to_text(value), "headers": pairs}


def headers_of(sent):
    return [(name, to_bytes(data)) for name, data in sent["headers"]]


class Failure(Exception):
    """An error with Kafka's code."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Parts:
    """Collects what a fetch asked for, partition by partition."""

    def __init__(self, parts):
        self.wanted = parts
        self.records = {(part["topic"], part["partition"]): [] for part in parts}
        self.counts = {(part["topic"], part["partition"]): part["count"] for part in parts}
        self.missing = sum(self.counts.values())

    def add(self, topic, partition, read):
        records = self.records[topic, partition]
        if len(records) < self.counts[topic, partition]:
            records.append(read)
            self.missing -= 1

    def answer(self):
        return {"parts": [self.records[part["topic"], part["partition"]] for part in self.wanted]}


def serve(version, ops, code_of):
    """Answers commands until stdin ends; code_of finds Kafka's code in the client's own errors, or 0."""
    ops["hello"] = lambda: {"version": version, "ops": [name for name in ops if name != "hello"]}
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = {"result": ops[command["op"]](**command.get("args", {}))}
        except Exception as error:  # Whatever a client throws is an answer.
            code = error.code if isinstance(error, Failure) else code_of(error)
            answer = {"error": {"code": code, "message": repr(error)}}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()

"""Tells and hears the lines of drivers/README.md about members of groups."""

import json
import logging
import os
import sys
import threading
import time


def emit(event, member, **fields):
    """One write, so that a line is out, or not begun, when the process is killed."""
    line = {"event": event, "member": member, "at": int(time.time() * 1000), **fields}
    os.write(1, (json.dumps(line) + "\n").encode())


def name(topic, partition):
    return f"{topic}/{partition}"


class Member(threading.Thread):
    """Polls, processes and commits in its own thread; a client's subclass says how."""

    def __init__(self, args):
        super().__init__()
        self.args, self.id, self.leaving = args, args["member"], False
        # Next offsets, by topic and partition, of what was processed and whose commit is not acknowledged yet.
        self.pending = {}

    def open(self):
        """Joins the group."""
        raise NotImplementedError

    def poll(self):
        """What has come, 20 records at most: {(topic, partition): [[offset, value]]}."""
        raise NotImplementedError

    def send_commit(self, pending):
        """Returns once the commit of all of it is acknowledged; throws if it is not."""
        raise NotImplementedError

    def close(self):
        raise NotImplementedError

    def assigned(self, partitions):
        emit("assigned", self.id, partitions=sorted(name(*one) for one in partitions))

    def revoked(self, partitions):
        self.commit()
        self.gone("revoked", partitions)

    def gone(self, event, partitions):
        for one in partitions:
            self.pending.pop(one, None)
        emit(event, self.id, partitions=sorted(name(*one) for one in partitions))

    def commit(self):
        if not self.pending:
            return
        try:
            self.send_commit(self.pending)
        except Exception as error:  # A rebalance has come between, or the broker is away.
            emit("refused", self.id, message=repr(error))
            return
        emit("committed", self.id, offsets={name(*one): at for one, at in self.pending.items()})
        self.pending = {}

    def run(self):
        try:
            self.open()
            while not self.leaving:
                for one, read in self.poll().items():
                    self.pending[one] = read[-1][0] + 1
                    emit("processed", self.id, partition=name(*one), records=read)
                self.commit()
            self.close()
        except Exception as error:  # Whatever a client throws is told.
            emit("failed", self.id, message=repr(error))
            return
        emit("left", self.id)


def serve(kind):
    """Joins members of this kind until stdin ends."""
    # What a client says while the broker is away would bury a suite's own output.
    logging.disable(logging.CRITICAL)
    members = {}
    emit("ready", "")
    for line in sys.stdin:
        command = json.loads(line)
        if command["op"] == "join":
            members[command["member"]] = kind(command)
            members[command["member"]].start()
        else:
            members.pop(command["member"]).leaving = True
    os._exit(0)

"""Tells and hears the lines of drivers/README.md about members of groups."""

import json
import logging
import os
import sys
import threading
import time


def emit(event, member, **fields):
    """One write, so that a line is out, or not begun, when the process is killed."""
    line = {"event": event, "member": member, "at": time.time_ns() // 1_000_000, **fields}
    os.write(1, (json.dumps(line) + "\n").encode())


def name(topic, partition):
    return f"{topic}/{partition}"


class Member(threading.Thread):
    """Polls, processes and commits in its own thread; a client's subclass says how."""

    def __init__(self, args):
        super().__init__()
        self.args, self.id, self.leaving = args, args["member"], False
        # By topic and partition: what the client has handed over and is not processed yet, [[offset, value]].
        self.read = {}
        # Next offsets, by topic and partition, of what was processed and whose commit is not acknowledged yet.
        self.pending = {}
        self.owned, self.closing = set(), False

    def open(self):
        """Joins the group."""
        raise NotImplementedError

    def poll(self):
        """Leaves what has come, 20 records at most, in `read`."""
        raise NotImplementedError

    def send_commit(self, pending):
        """Returns once the commit of all of it is acknowledged; throws if it is not."""
        raise NotImplementedError

    def close(self):
        raise NotImplementedError

    def assigned(self, partitions):
        emit("assigned", self.id, partitions=sorted(name(*one) for one in partitions))
        self.owned.update(tuple(one) for one in partitions)
        # A join that was on its way when the member closed: it polls no more.
        if self.closing:
            self.gone("revoked", partitions)

    def revoked(self, partitions):
        self.process()
        self.commit()
        self.gone("revoked", partitions)

    def gone(self, event, partitions):
        for one in map(tuple, partitions):
            self.read.pop(one, None)
            self.pending.pop(one, None)
            self.owned.discard(one)
        emit(event, self.id, partitions=sorted(name(*one) for one in partitions))

    def give_up(self):
        """Before a close that revokes nothing: who takes over may be told of it before this member is."""
        self.closing = True
        if self.owned:
            self.gone("revoked", list(self.owned))

    def process(self):
        for one, records in self.read.items():
            self.pending[one] = records[-1][0] + 1
            emit("processed", self.id, partition=name(*one), records=records)
        self.read = {}

    def commit(self):
        if not self.pending:
            return
        try:
            self.send_commit(self.pending)
        except Exception as error:  # A rebalance has come between, or the broker is away.
            self.refused(error)
            return
        self.committed()

    def refused(self, error):
        emit("refused", self.id, message=repr(error))

    def committed(self):
        emit("committed", self.id, offsets={name(*one): at for one, at in self.pending.items()})
        self.pending = {}

    def live(self):
        self.open()
        while not self.leaving:
            self.poll()
            self.process()
            self.commit()
        self.close()

    def run(self):
        try:
            self.live()
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

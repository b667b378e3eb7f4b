"""Members of groups of confluent-kafka (librdkafka), told and heard by the lines of drivers/README.md."""

import json
import os
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaException, TopicPartition

BOOTSTRAP = sys.argv[1]


def emit(event, member, **fields):
    """One write, so that a line is out, or not begun, when the process is killed."""
    line = {"event": event, "member": member, "at": int(time.time() * 1000), **fields}
    os.write(1, (json.dumps(line) + "\n").encode())


def names(partitions):
    return sorted(f"{one.topic}/{one.partition}" for one in partitions)


class Member(threading.Thread):
    def __init__(self, args):
        super().__init__()
        self.id, self.leaving = args["member"], False
        # Next offsets of what was processed and whose commit is not acknowledged yet.
        self.pending = {}
        config = {
            "bootstrap.servers": BOOTSTRAP,
            "client.id": self.id,
            "group.id": args["group"],
            "group.protocol": args["protocol"],
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "topic.metadata.refresh.interval.ms": 1_000,
            "reconnect.backoff.max.ms": 200,
            "log_level": 2,
        }
        if "instanceId" in args:
            config["group.instance.id"] = args["instanceId"]
        if args["protocol"] == "consumer":
            config["group.remote.assignor"] = args["assignor"]
        else:
            config["partition.assignment.strategy"] = args["assignor"]
            config["session.timeout.ms"] = args["sessionTimeoutMs"]
            config["heartbeat.interval.ms"] = 500
        self.consumer = Consumer(config)
        callbacks = {"on_assign": self.on_assign, "on_revoke": self.on_revoke, "on_lost": self.on_lost}
        self.consumer.subscribe([args.get("regex") or args["topic"]], **callbacks)

    def on_assign(self, _, partitions):
        emit("assigned", self.id, partitions=names(partitions))

    def on_revoke(self, _, partitions):
        self.commit()
        self.forget(partitions)
        emit("revoked", self.id, partitions=names(partitions))

    def on_lost(self, _, partitions):
        self.forget(partitions)
        emit("lost", self.id, partitions=names(partitions))

    def forget(self, partitions):
        for one in partitions:
            self.pending.pop((one.topic, one.partition), None)

    def commit(self):
        if not self.pending:
            return
        offsets = [TopicPartition(topic, partition, at) for (topic, partition), at in self.pending.items()]
        try:
            answered = self.consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            emit("refused", self.id, message=repr(error))
            return
        good = [one for one in answered if one.error is None]
        for one in good:
            self.pending.pop((one.topic, one.partition), None)
        if good:
            emit("committed", self.id, offsets={f"{one.topic}/{one.partition}": one.offset for one in good})
        for one in answered:
            if one.error is not None:
                emit("refused", self.id, message=repr(one.error))

    def process(self, messages):
        records = {}
        for message in messages:
            if message.error() is not None:
                # Of the connection, as a rule: the library goes on by itself.
                emit("warned", self.id, message=repr(message.error()))
                continue
            key = (message.topic(), message.partition())
            records.setdefault(key, []).append([message.offset(), message.value().decode()])
        for (topic, partition), read in records.items():
            self.pending[topic, partition] = read[-1][0] + 1
            emit("processed", self.id, partition=f"{topic}/{partition}", records=read)

    def run(self):
        try:
            while not self.leaving:
                self.process(self.consumer.consume(20, 0.1))
                self.commit()
            self.consumer.close()
        except Exception as error:  # Whatever a client throws is told.
            emit("failed", self.id, message=repr(error))
            return
        emit("left", self.id)


members = {}
emit("ready", "")
for line in sys.stdin:
    command = json.loads(line)
    if command["op"] == "join":
        members[command["member"]] = Member(command)
        members[command["member"]].start()
    else:
        members.pop(command["member"]).leaving = True
os._exit(0)

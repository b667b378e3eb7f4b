"""Members of groups of confluent-kafka (librdkafka), told and heard by the lines of drivers/README.md."""

import sys

from confluent_kafka import Consumer, KafkaException, TopicPartition

import members


def keys(partitions):
    return [(one.topic, one.partition) for one in partitions]


class Member(members.Member):
    def open(self):
        args = self.args
        config = {
            "bootstrap.servers": sys.argv[1],
            "client.id": self.id,
            "group.id": args["group"],
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
            config["group.protocol"] = "consumer"
            config["group.remote.assignor"] = args["assignor"]
        else:
            config["partition.assignment.strategy"] = args["assignor"]
            config["session.timeout.ms"] = args["sessionTimeoutMs"]
            config["heartbeat.interval.ms"] = 500
        self.consumer = Consumer(config)
        self.consumer.subscribe(
            [args.get("regex") or args["topic"]],
            on_assign=lambda _, partitions: self.assigned(keys(partitions)),
            on_revoke=lambda _, partitions: self.revoked(keys(partitions)),
            on_lost=lambda _, partitions: self.gone("lost", keys(partitions)),
        )

    def poll(self):
        # One by one: consume() of 2.0 may hand over, with others, what was revoked while it collected them.
        timeout = 0.1
        for _ in range(20):
            message = self.consumer.poll(timeout)
            if message is None:
                return
            timeout = 0
            if message.error() is not None:
                # Of the connection, as a rule: the library goes on by itself.
                members.emit("warned", self.id, message=repr(message.error()))
                continue
            records = self.read.setdefault((message.topic(), message.partition()), [])
            records.append([message.offset(), message.value().decode()])

    def send_commit(self, pending):
        offsets = [TopicPartition(*one, at) for one, at in pending.items()]
        for one in self.consumer.commit(offsets=offsets, asynchronous=False):
            if one.error is not None:
                raise KafkaException(one.error)

    def close(self):
        self.consumer.close()


members.serve(Member)

"""Transactions of confluent-kafka (librdkafka): the ops that drivers/README.md lists under their name."""

import importlib.metadata
import sys
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

import wire

BOOTSTRAP = {"bootstrap.servers": sys.argv[1], "log_level": 2}
CALL_LIMIT_S = 30
producers = {}


def code_of(error):
    if isinstance(error, KafkaException):
        error = error.args[0]
    return error.code() if isinstance(error, KafkaError) else 0


def producer_of(transactional_id, timeout_ms):
    # Records and transaction time out together: a delivery may not be tried for longer than its transaction lasts.
    limits = {"transaction.timeout.ms": timeout_ms, "delivery.timeout.ms": timeout_ms, "linger.ms": 1}
    producer = Producer({**BOOTSTRAP, "transactional.id": transactional_id, **limits})
    producer.init_transactions(CALL_LIMIT_S)
    return producer


def consumer_of(group, **config):
    settings = {"group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest", "check.crcs": True}
    return Consumer({**BOOTSTRAP, **settings, **{name.replace("_", "."): value for name, value in config.items()}})


def open_producer(producer, transactionalId, timeoutMs):
    producers[producer] = producer_of(transactionalId, timeoutMs)


def send(producer, topic, partition, values):
    errors = []

    def delivered(error, _):
        if error is not None:
            errors.append(error)

    for value in values:
        producers[producer].produce(topic, value, partition=partition, on_delivery=delivered)
    left = producers[producer].flush(CALL_LIMIT_S)
    if errors:
        raise KafkaException(errors[0])
    if left > 0:
        raise TimeoutError(f"{left} records were not delivered in time")


def send_offset(producer, group, topic, partition, offset):
    consumer = consumer_of(group)
    metadata = consumer.consumer_group_metadata()
    producers[producer].send_offsets_to_transaction([TopicPartition(topic, partition, offset)], metadata, CALL_LIMIT_S)
    consumer.close()


def read(topic, partitions, isolation, count, quietMs, timeoutMs):
    """Until `count` records have come, and `quietMs` longer."""
    consumer = consumer_of("unused", isolation_level=isolation)
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
    parts, end, quiet = [[] for _ in range(partitions)], time.monotonic() + timeoutMs / 1000, False
    while time.monotonic() < end:
        if not quiet and sum(map(len, parts)) >= count:
            quiet, end = True, time.monotonic() + quietMs / 1000
        for message in consumer.consume(1000, 0.05):
            if message.error() is not None:
                raise KafkaException(message.error())
            parts[message.partition()].append([message.offset(), message.value().decode()])
    consumer.close()
    return {"parts": parts}


def turn(producer, consumer, out, batch, abort):
    messages = [message for message in consumer.consume(batch, 0.2) if message.error() is None]
    if not messages:
        return
    producer.begin_transaction()
    next_offsets = {}
    for message in messages:
        producer.produce(out, "did " + message.value().decode(), partition=message.partition())
        next_offsets[message.topic(), message.partition()] = message.offset() + 1
    offsets = [TopicPartition(*partition, offset) for partition, offset in next_offsets.items()]
    producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), CALL_LIMIT_S)
    if not abort:
        producer.commit_transaction(CALL_LIMIT_S)
        return
    producer.abort_transaction(CALL_LIMIT_S)
    for committed in consumer.committed(consumer.assignment(), CALL_LIMIT_S):
        consumer.seek(TopicPartition(committed.topic, committed.partition, max(committed.offset, 0)))


def loop(transactionalId, timeoutMs, group, protocol, sessionTimeoutMs, batch, out, **args):
    """Consumes, produces what it made of it to the same partition and commits both, until it is killed."""
    config = {"isolation_level": "read_committed", "group_protocol": protocol}
    if protocol == "classic":
        config.update(session_timeout_ms=sessionTimeoutMs, heartbeat_interval_ms=300)
    while True:
        # Whatever cannot be aborted needs a new producer, and a consumer that begins from what is committed.
        consumer = consumer_of(group, **config)
        try:
            producer = producer_of(transactionalId, timeoutMs)
            consumer.subscribe([args["in"]])
            turns = 0
            while True:
                turns += 1
                turn(producer, consumer, out, batch, abort=turns % 5 == 0)
        except KafkaException as error:
            print("begins anew after", error, file=sys.stderr)
        finally:
            consumer.close()


wire.serve(
    importlib.metadata.version("confluent-kafka"),
    {
        "open": open_producer,
        "begin": lambda producer: producers[producer].begin_transaction(),
        "send": send,
        "sendOffset": send_offset,
        "commit": lambda producer: producers[producer].commit_transaction(CALL_LIMIT_S),
        "abort": lambda producer: producers[producer].abort_transaction(CALL_LIMIT_S),
        "close": lambda producer: producers.pop(producer, None) and None,
        "read": read,
        "loop": loop,
    },
    code_of,
)

"""Runs confluent-kafka clients on behalf of a test: one JSON command a line on stdin, one JSON answer a line on stdout.

Bytes travel as base64, null stays null, and an error of the client is a value: its librdkafka name.
"""

import base64
import json
import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

clients = {}
admins = {}
# What goes wrong comes back as an error; the lines of a client that reconnects while a broker restarts say nothing more.
QUIET = {"log_level": 2}


def to_bytes(text):
    return None if text is None else base64.b64decode(text)


def to_text(data):
    return None if data is None else base64.b64encode(data).decode()


def admin(config):
    """One client per configuration: its futures fail when it is collected."""
    return admins.setdefault(json.dumps(config), AdminClient({**QUIET, **config}))


def error_name(error):
    if isinstance(error, KafkaException):
        error = error.args[0]
    return error.name() if isinstance(error, KafkaError) else str(error)


def producer_open(id, config):
    clients[id] = Producer({**QUIET, **config})


def producer_send(id, topic, records, flushMs):
    """Answers with one delivery a record, in the records' order."""
    producer = clients[id]
    deliveries = [None] * len(records)

    def report(index):
        def delivered(error, message):
            if error is not None:
                deliveries[index] = {"error": error_name(error)}
            else:
                deliveries[index] = {"partition": message.partition(), "offset": message.offset()}

        return delivered

    for index, record in enumerate(records):
        optional = {name: record[name] for name in ("partition", "timestamp") if name in record}
        headers = [(name, to_bytes(value)) for name, value in record.get("headers", [])]
        key, value = to_bytes(record.get("key")), to_bytes(record.get("value"))
        while True:
            try:
                producer.produce(topic, value, key, headers=headers, on_delivery=report(index), **optional)
                break
            except BufferError:
                producer.poll(0.1)
            except KafkaException as error:
                deliveries[index] = {"error": error_name(error)}
                break
    producer.flush(flushMs / 1000)
    return [delivery or {"error": "not delivered in time"} for delivery in deliveries]


def consumer_open(id, config, assign):
    consumer = Consumer({**QUIET, "group.id": "unused", "enable.auto.commit": False, **config})
    partitions = [TopicPartition(p["topic"], p["partition"], p.get("offset", OFFSET_BEGINNING)) for p in assign]
    consumer.assign(partitions)
    clients[id] = consumer


def consumer_read(id, count, timeoutMs):
    """Answers with `count` messages, or fewer if the time runs out; an error of the partition ends it."""
    messages = []
    while len(messages) < count:
        batch = clients[id].consume(min(count - len(messages), 10_000), timeoutMs / 1000)
        if not batch:
            break
        for message in batch:
            if message.error() is not None:
                return {"error": error_name(message.error()), "messages": messages}
            kind, timestamp = message.timestamp()
            headers = [[name, to_text(value)] for name, value in message.headers() or []]
            messages.append(
                {
                    "partition": message.partition(),
                    "offset": message.offset(),
                    "timestamp": timestamp,
                    "timestampType": kind,
                    "key": to_text(message.key()),
                    "value": to_text(message.value()),
                    "headers": headers,
                }
            )
    return {"messages": messages}


def consumer_seek(id, topic, partition, offset):
    clients[id].seek(TopicPartition(topic, partition, offset))


def consumer_offsets_for_times(id, topic, partition, timestamps):
    asked = [[TopicPartition(topic, partition, timestamp)] for timestamp in timestamps]
    return [clients[id].offsets_for_times(one, 20)[0].offset for one in asked]


def consumer_watermarks(id, topic, partition):
    return list(clients[id].get_watermark_offsets(TopicPartition(topic, partition), 20, cached=False))


def close(id):
    client = clients.pop(id)
    if isinstance(client, Consumer):
        client.close()
    else:
        client.flush(10)


def outcomes(futures):
    results = {}
    for name, future in futures.items():
        try:
            future.result(30)
            results[name] = None
        except KafkaException as error:
            results[name] = error_name(error)
    return results


def create_topics(config, topics):
    wanted = [NewTopic(t["topic"], t["partitions"], 1, config=t.get("config", {})) for t in topics]
    return outcomes(admin(config).create_topics(wanted, operation_timeout=20))


def delete_topics(config, topics):
    return outcomes(admin(config).delete_topics(topics, operation_timeout=20))


def list_topics(config):
    """Every topic's partition ids, from a Metadata request that names no topic and so creates none."""
    topics = admin(config).list_topics(timeout=20).topics
    return {name: sorted(topic.partitions) for name, topic in topics.items()}


commands = {
    function.__name__: function
    for function in (
        producer_open,
        producer_send,
        consumer_open,
        consumer_read,
        consumer_seek,
        consumer_offsets_for_times,
        consumer_watermarks,
        close,
        create_topics,
        delete_topics,
        list_topics,
    )
}

for line in sys.stdin:
    command = json.loads(line)
    try:
        answer = {"result": commands[command.pop("op")](**command)}
    except KafkaException as error:
        answer = {"error": error_name(error)}
    print(json.dumps(answer), flush=True)

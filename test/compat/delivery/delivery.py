"""Takes one record in the way that is asked for, tells what it did, and ends as if it was killed.

Arguments: bootstrap, way, group, topic, and for the way `own-store` the file that holds results and offset.
"""
import json
import os
import sys
import time

from confluent_kafka import Consumer, KafkaException, TopicPartition

bootstrap, way, group, topic = sys.argv[1:5]
limit_seconds = 60


def say(*words):
    print(*words, flush=True)


def die():
    os._exit(0)


def consumer_with(**config):
    settings = {key.replace("_", "."): value for key, value in config.items()}
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            # What a slow machine leaves room for: who is put out before it has committed did not die.
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 300,
            **settings,
        }
    )


def take(consumer):
    end = time.monotonic() + limit_seconds
    while time.monotonic() < end:
        message = consumer.poll(0.1)
        if message is None:
            continue
        if message.error():
            raise KafkaException(message.error())
        say("took", message.offset())
        return message
    raise TimeoutError("no record came")


def committed(consumer):
    return consumer.committed([TopicPartition(topic, 0)], timeout=limit_seconds)[0].offset


def commit_first():
    consumer = consumer_with(enable_auto_commit=False)
    consumer.subscribe([topic])
    consumer.commit(message=take(consumer), asynchronous=False)
    die()


def process_first():
    consumer = consumer_with(enable_auto_commit=False)
    consumer.subscribe([topic])
    message = take(consumer)
    say("did", message.offset())
    die()


def process_and_commit():
    consumer = consumer_with(enable_auto_commit=False)
    consumer.subscribe([topic])
    message = take(consumer)
    say("did", message.offset())
    consumer.commit(message=message, asynchronous=False)
    die()


def auto():
    """What is handed out counts as done: it is committed while it is in hand."""
    consumer = consumer_with(enable_auto_commit=True, auto_commit_interval_ms=50)
    consumer.subscribe([topic])
    message = take(consumer)
    end = time.monotonic() + limit_seconds
    while committed(consumer) <= message.offset():
        if time.monotonic() > end:
            raise TimeoutError("nothing was committed")
        time.sleep(0.01)
    say("committed", committed(consumer))
    die()


def auto_after_processing():
    """Only what was stored is there to be committed."""
    consumer = consumer_with(enable_auto_commit=True, auto_commit_interval_ms=3600000, enable_auto_offset_store=False)
    consumer.subscribe([topic])
    message = take(consumer)
    try:
        consumer.commit(asynchronous=False)
        say("committed before")
    except KafkaException as error:
        say("nothing to commit", error.args[0].name())
    consumer.store_offsets(message)
    consumer.commit(asynchronous=False)
    say("committed", committed(consumer))
    die()


def own_store():
    """Result and offset in one file, replaced at once; the group commits nothing."""
    path = sys.argv[5]
    state = {"next": 0, "results": [], "died": False}
    if os.path.exists(path):
        with open(path) as file:
            state = json.load(file)
    consumer = consumer_with(enable_auto_commit=False)
    consumer.assign([TopicPartition(topic, 0, state["next"])])
    message = take(consumer)
    if len(state["results"]) == 1 and not state["died"]:
        # Once it dies with the record in hand.
        state["died"] = True
    else:
        state["next"] = message.offset() + 1
        state["results"].append(message.value().decode())
    with open(path + ".new", "w") as file:
        json.dump(state, file)
    os.replace(path + ".new", path)
    die()


{
    "commit-first": commit_first,
    "process-first": process_first,
    "process-and-commit": process_and_commit,
    "auto": auto,
    "auto-after-processing": auto_after_processing,
    "own-store": own_store,
}[way]()

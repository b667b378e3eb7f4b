"""An idempotent producer that writes numbered records, acks=all, until a line arrives on stdin.

usage: producer.py BOOTSTRAP TOPIC NAME PARTITIONS

Prints `ack SEQ PARTITION OFFSET` for every acknowledgement as it arrives and `done SENT` once everything that was sent
is acknowledged; a record that is given up on is `lost SEQ ERROR`. Record SEQ of producer NAME is `NAME SEQ` and some
filling, in partition SEQ modulo PARTITIONS.
"""

import sys
import threading

from confluent_kafka import Producer

bootstrap, topic, name, partitions = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
stopping = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), stopping.set()), daemon=True).start()

producer = Producer(
    {
        "bootstrap.servers": bootstrap,
        "enable.idempotence": True,
        "acks": "all",
        "linger.ms": 1,
        # Small batches and a short queue: many requests, and little that the broker has not seen.
        "batch.num.messages": 20,
        "queue.buffering.max.messages": 300,
        "reconnect.backoff.ms": 20,
        "reconnect.backoff.max.ms": 200,
        "retry.backoff.ms": 20,
        "delivery.timeout.ms": 90_000,
        "log_level": 2,
    }
)


def report_on(sequence):
    def delivered(error, message):
        if error is not None:
            print(f"lost {sequence} {error.name()}", flush=True)
        else:
            print(f"ack {sequence} {message.partition()} {message.offset()}", flush=True)

    return delivered


sequence = 0
while not stopping.is_set():
    value = f"{name} {sequence} " + "x" * (sequence * 37 % 400)
    try:
        producer.produce(topic, value, partition=sequence % partitions, on_delivery=report_on(sequence))
    except BufferError:
        producer.poll(0.05)
        continue
    sequence += 1
    producer.poll(0)
producer.flush(90)
print(f"done {sequence}", flush=True)

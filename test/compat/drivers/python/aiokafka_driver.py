"""aiokafka as a driver: AIOKafkaProducer, AIOKafkaConsumer by assignment, AIOKafkaAdminClient."""

import asyncio
import sys
import time

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka import admin as administration

try:
    from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
    from aiokafka.admin.new_partitions import NewPartitions
    from aiokafka.admin.records_to_delete import RecordsToDelete
except ImportError:  # Until 0.9 these were kafka-python's.
    from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions

import wire

BOOTSTRAP = {"bootstrap_servers": sys.argv[1]}
CALL_LIMIT_S = 30
loop = asyncio.new_event_loop()


def code_of(error):
    return getattr(error, "errno", None) or 0


def within(operation):
    """Makes an op of a coroutine function."""
    return lambda **args: loop.run_until_complete(asyncio.wait_for(operation(**args), 2 * CALL_LIMIT_S))


def call(operation):
    """Makes an op of a call of the admin client, which is opened for it."""

    async def run(**args):
        admin = administration.AIOKafkaAdminClient(**BOOTSTRAP)
        try:
            await admin.start()
            return await operation(admin, **args)
        finally:
            await admin.close()

    return within(run)


async def produce(topic, partition, codec, acks, idempotent, records):
    config = {
        "compression_type": None if codec == "none" else codec,
        "acks": "all" if acks == -1 else acks,
        "enable_idempotence": idempotent,
        "linger_ms": 20,
    }
    async with AIOKafkaProducer(**config, **BOOTSTRAP) as producer:
        futures = [
            await producer.send(
                topic,
                wire.to_bytes(sent["value"]),
                wire.to_bytes(sent["key"]),
                partition,
                sent["timestamp"],
                wire.headers_of(sent),
            )
            for sent in records
        ]
        delivered = [await future for future in futures]
    return {"offsets": [None if acks == 0 else metadata.offset for metadata in delivered]}


async def fetch(parts, timeoutMs):
    consumer = AIOKafkaConsumer(enable_auto_commit=False, auto_offset_reset="none", **BOOTSTRAP)
    read, end = wire.Parts(parts), time.monotonic() + timeoutMs / 1000
    await consumer.start()
    try:
        consumer.assign([TopicPartition(part["topic"], part["partition"]) for part in parts])
        for part in parts:
            consumer.seek(TopicPartition(part["topic"], part["partition"]), part["offset"])
        while read.missing > 0 and time.monotonic() < end:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    fields = (record.offset, record.timestamp, record.key, record.value, record.headers)
                    read.add(record.topic, record.partition, wire.record(*fields))
    finally:
        await consumer.stop()
    return read.answer()


def check(code, message):
    if code != 0:
        raise wire.Failure(code, str(message))


async def create_topic(admin, topic, partitions=None, assignments=None, configs=None):
    if assignments is None:
        wanted = administration.NewTopic(topic, partitions, 1, topic_configs=configs)
    else:
        spread = dict(enumerate(assignments))
        wanted = administration.NewTopic(topic, -1, -1, replica_assignments=spread, topic_configs=configs)
    answer = await admin.create_topics([wanted])
    check(answer.topic_errors[0][1], answer)


async def list_topics(admin):
    return {"topics": await admin.list_topics()}


async def describe_topic(admin, topic):
    found = (await admin.describe_topics([topic]))[0]
    check(found["error_code"], topic)
    described = [{name: p[name] for name in ("partition", "leader", "replicas", "isr")} for p in found["partitions"]]
    return {"partitions": sorted(described, key=lambda partition: partition["partition"])}


async def describe_cluster(admin):
    found = await admin.describe_cluster()
    nodes = [{"id": broker["node_id"], "host": broker["host"], "port": broker["port"]} for broker in found["brokers"]]
    return {"nodes": nodes, "controller": found["controller_id"], "clusterId": found.get("cluster_id")}


def resource(topic=None, broker=None, configs=None):
    kind = ConfigResourceType.BROKER if topic is None else ConfigResourceType.TOPIC
    return ConfigResource(kind, topic or broker, configs)


async def describe_configs(admin, **which):
    code, message, _, _, entries = (await admin.describe_configs([resource(**which)]))[0].resources[0]
    check(code, message)
    # The fields are a name, a value, whether it is read only, and its source: 5 is a default.
    return {"configs": {entry[0]: {"value": entry[1], "readOnly": entry[2], "isDefault": entry[3] == 5} for entry in entries}}


async def alter_configs(admin, topic, configs):
    code, message = (await admin.alter_configs([resource(topic, configs=configs)]))[0].resources[0][:2]
    check(code, message)


async def create_partitions(admin, topic, total):
    answer = await admin.create_partitions({topic: NewPartitions(total)})
    check(answer.topic_errors[0][1], answer)


async def delete_records(admin, topic, partition, before):
    at = TopicPartition(topic, partition)
    return {"lowWatermark": (await admin.delete_records({at: RecordsToDelete(before_offset=before)}))[at]}


async def list_offsets(topic, partition, spec):
    """By the consumer: the admin client of aiokafka has no such call."""
    at = TopicPartition(topic, partition)
    async with AIOKafkaConsumer(enable_auto_commit=False, **BOOTSTRAP) as consumer:
        if isinstance(spec, int):
            found = (await consumer.offsets_for_times({at: spec}))[at]
            return {"offset": -1, "timestamp": -1} if found is None else {"offset": found.offset, "timestamp": found.timestamp}
        ask = consumer.beginning_offsets if spec == "earliest" else consumer.end_offsets
        return {"offset": (await ask([at]))[at]}


async def delete_topic(admin, topic):
    answer = await admin.delete_topics([topic])
    check(answer.topic_error_codes[0][1], answer)


ops = {
    "produce": within(produce),
    "fetch": within(fetch),
    "createTopic": call(create_topic),
    "createTopic.assignments": call(create_topic),
    "listTopics": call(list_topics),
    "describeTopic": call(describe_topic),
    "describeCluster": call(describe_cluster),
    "describeConfigs": call(describe_configs),
    "alterConfigs": call(alter_configs),
    "createPartitions": call(create_partitions),
    "deleteTopic": call(delete_topic),
    "listOffsets": within(list_offsets),
    "listOffsets.earliest": within(list_offsets),
    "listOffsets.latest": within(list_offsets),
}
if hasattr(administration.AIOKafkaAdminClient, "delete_records"):
    ops["deleteRecords"] = call(delete_records)

wire.serve(aiokafka.__version__, ops, code_of)

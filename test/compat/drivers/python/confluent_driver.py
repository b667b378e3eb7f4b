"""confluent-kafka (librdkafka) as a driver: Producer, Consumer by assignment, AdminClient."""

import importlib.metadata
import sys
import time

import confluent_kafka
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition, admin

import wire

BOOTSTRAP = {"bootstrap.servers": sys.argv[1], "log_level": 2}
CALL_LIMIT_S = 30
client = admin.AdminClient(BOOTSTRAP)


def code_of(error):
    if isinstance(error, KafkaException):
        error = error.args[0]
    return error.code() if isinstance(error, KafkaError) else 0


# A reset of its connection, as by an answer that nobody reads any more, may take along what nobody acknowledges.
unacknowledged = []


def produce(topic, partition, codec, acks, idempotent, records):
    config = {"compression.type": codec, "acks": acks, "enable.idempotence": idempotent, "linger.ms": 20}
    config["message.max.bytes"] = 1_048_576
    producer = Producer({**BOOTSTRAP, **config})
    if acks == 0:
        unacknowledged.append(producer)
    offsets, errors = [None] * len(records), []

    def report(index):
        def delivered(error, message):
            if error is not None:
                errors.append(error)
            elif acks != 0:
                offsets[index] = message.offset()

        return delivered

    for index, sent in enumerate(records):
        key, value = wire.to_bytes(sent["key"]), wire.to_bytes(sent["value"])
        optional = {} if sent["timestamp"] is None else {"timestamp": sent["timestamp"]}
        headers = wire.headers_of(sent)
        producer.produce(topic, value, key, partition, headers=headers, on_delivery=report(index), **optional)
    left = producer.flush(CALL_LIMIT_S)
    if errors:
        raise KafkaException(errors[0])
    if left > 0:
        raise TimeoutError(f"{left} records were not delivered in time")
    return {"offsets": offsets}


def fetch(parts, timeoutMs):
    consumer = Consumer({**BOOTSTRAP, "group.id": "unused", "enable.auto.commit": False, "check.crcs": True})
    consumer.assign([TopicPartition(part["topic"], part["partition"], part["offset"]) for part in parts])
    read, end = wire.Parts(parts), time.monotonic() + timeoutMs / 1000
    while read.missing > 0 and time.monotonic() < end:
        for message in consumer.consume(1000, 0.2):
            if message.error() is not None:
                raise KafkaException(message.error())
            fields = (message.offset(), message.timestamp()[1], message.key(), message.value(), message.headers() or [])
            read.add(message.topic(), message.partition(), wire.record(*fields))
    consumer.close()
    return read.answer()


def only(futures):
    return next(iter(futures.values())).result(CALL_LIMIT_S)


def create_topic(topic, partitions=-1, assignments=None, configs=None):
    # With an assignment the library wants to be told neither the number of replicas nor, in all versions, of partitions.
    if assignments is None:
        wanted = admin.NewTopic(topic, partitions, 1, config=configs or {})
    else:
        wanted = admin.NewTopic(topic, len(assignments), replica_assignment=assignments, config=configs or {})
    only(client.create_topics([wanted], operation_timeout=20))


def list_topics():
    return {"topics": list(client.list_topics(timeout=CALL_LIMIT_S).topics)}


def describe_topic(topic):
    """By list_topics, which every version has, of all topics: asked for one by name it would create it."""
    found = client.list_topics(timeout=CALL_LIMIT_S).topics.get(topic)
    if found is None:
        raise wire.Failure(3, "the topic is not listed")
    described = [
        {"partition": p.id, "leader": p.leader, "replicas": p.replicas, "isr": p.isrs} for p in found.partitions.values()
    ]
    return {"partitions": sorted(described, key=lambda partition: partition["partition"])}


def describe_cluster():
    if hasattr(client, "describe_cluster"):
        found = client.describe_cluster(request_timeout=CALL_LIMIT_S).result()
        nodes = [{"id": node.id, "host": node.host, "port": node.port} for node in found.nodes]
        return {"nodes": nodes, "controller": found.controller.id, "clusterId": found.cluster_id}
    found = client.list_topics(timeout=CALL_LIMIT_S)
    nodes = [{"id": broker.id, "host": broker.host, "port": broker.port} for broker in found.brokers.values()]
    return {"nodes": nodes, "controller": found.controller_id, "clusterId": found.cluster_id}


def resource(topic=None, broker=None, **more):
    kind = admin.ConfigResource.Type.BROKER if topic is None else admin.ConfigResource.Type.TOPIC
    return admin.ConfigResource(kind, topic or broker, **more)


def describe_configs(**which):
    entries = only(client.describe_configs([resource(**which)]))
    default = admin.ConfigSource.DEFAULT_CONFIG.value
    configs = {
        name: {"value": entry.value, "isDefault": entry.source == default, "readOnly": bool(entry.is_read_only)}
        for name, entry in entries.items()
    }
    return {"configs": configs}


def incremental_alter_configs(topic, ops):
    entries = [
        admin.ConfigEntry(op["name"], op.get("value"), incremental_operation=admin.AlterConfigOpType[op["op"].upper()])
        for op in ops
    ]
    only(client.incremental_alter_configs([resource(topic, incremental_configs=entries)]))


def alter_configs(topic, configs):
    only(client.alter_configs([resource(topic, set_config=configs)]))


def create_partitions(topic, total):
    only(client.create_partitions([admin.NewPartitions(topic, total)]))


def delete_records(topic, partition, before):
    return {"lowWatermark": only(client.delete_records([TopicPartition(topic, partition, before)])).low_watermark}


def list_offsets(topic, partition, spec):
    kinds = {"earliest": "earliest", "latest": "latest", "maxTimestamp": "max_timestamp"}
    wanted = admin.OffsetSpec.for_timestamp(spec) if isinstance(spec, int) else getattr(admin.OffsetSpec, kinds[spec])()
    found = only(client.list_offsets({TopicPartition(topic, partition): wanted}))
    return {"offset": found.offset, "timestamp": found.timestamp}


def delete_topic(topic):
    only(client.delete_topics([topic], operation_timeout=20))


ops = {
    "produce": produce,
    "fetch": fetch,
    "createTopic": create_topic,
    "createTopic.assignments": create_topic,
    "listTopics": list_topics,
    "describeTopic": describe_topic,
    "describeCluster": describe_cluster,
    "describeConfigs": describe_configs,
    "alterConfigs": alter_configs,
    "createPartitions": create_partitions,
    "deleteTopic": delete_topic,
}
if hasattr(client, "incremental_alter_configs"):
    ops["incrementalAlterConfigs"] = incremental_alter_configs
if hasattr(client, "delete_records"):
    ops["deleteRecords"] = delete_records
if hasattr(client, "list_offsets"):
    ops.update({f"listOffsets{kind}": list_offsets for kind in ("", ".earliest", ".latest", ".maxTimestamp")})

version = importlib.metadata.version("confluent-kafka")
wire.serve(f"{version}, librdkafka {confluent_kafka.libversion()[0]}", ops, code_of)

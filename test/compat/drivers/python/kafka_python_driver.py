"""kafka-python as a driver: KafkaProducer, KafkaConsumer by assignment, KafkaAdminClient (its calls as of 2.0 or 3.0)."""

import re
import sys
import time

import kafka
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic

import wire

BOOTSTRAP = {"bootstrap_servers": sys.argv[1]}
CALL_LIMIT_S = 30
SINCE_3 = int(kafka.__version__.split(".")[0]) >= 3
if not SINCE_3:
    # Otherwise a broker that is silent for two seconds is none.
    BOOTSTRAP["api_version_auto_timeout_ms"] = 30_000
client = None


def code_of(error):
    return getattr(error, "errno", None) or 0


def admin():
    """Connects on first use: the constructor already asks the broker."""
    global client
    client = client or KafkaAdminClient(**BOOTSTRAP)
    return client


def produce(topic, partition, codec, acks, idempotent, records):
    config = {"compression_type": None if codec == "none" else codec, "acks": "all" if acks == -1 else acks}
    if SINCE_3:
        config["enable_idempotence"] = idempotent
    producer = KafkaProducer(linger_ms=20, **config, **BOOTSTRAP)
    futures = [
        producer.send(
            topic,
            wire.to_bytes(sent["value"]),
            wire.to_bytes(sent["key"]),
            wire.headers_of(sent),
            partition,
            sent["timestamp"],
        )
        for sent in records
    ]
    offsets = [future.get(CALL_LIMIT_S).offset for future in futures]
    producer.close()
    return {"offsets": [None if acks == 0 else offset for offset in offsets]}


def fetch(parts, timeoutMs):
    consumer = KafkaConsumer(enable_auto_commit=False, auto_offset_reset="none", **BOOTSTRAP)
    consumer.assign([TopicPartition(part["topic"], part["partition"]) for part in parts])
    for part in parts:
        consumer.seek(TopicPartition(part["topic"], part["partition"]), part["offset"])
    read, end = wire.Parts(parts), time.monotonic() + timeoutMs / 1000
    while read.missing > 0 and time.monotonic() < end:
        for records in consumer.poll(200).values():
            for record in records:
                fields = (record.offset, record.timestamp, record.key, record.value, record.headers)
                read.add(record.topic, record.partition, wire.record(*fields))
    consumer.close(autocommit=False)
    return read.answer()


def check(code, message):
    if code != 0:
        raise wire.Failure(code, str(message))


def create_topic(topic, partitions=None, assignments=None, configs=None):
    spread = None if assignments is None else dict(enumerate(assignments))
    wanted = (
        NewTopic(topic, partitions, 1, topic_configs=configs)
        if spread is None
        else NewTopic(topic, -1, -1, replica_assignments=spread, topic_configs=configs)
    )
    admin().create_topics([wanted])


def describe_topic(topic):
    found = admin().describe_topics([topic])[0]
    check(found["error_code"], topic)
    names = ("partition_index", "leader_id", "replica_nodes", "isr_nodes") if SINCE_3 else ("partition", "leader", "replicas", "isr")
    described = [dict(zip(("partition", "leader", "replicas", "isr"), (p[name] for name in names))) for p in found["partitions"]]
    return {"partitions": sorted(described, key=lambda partition: partition["partition"])}


def describe_cluster():
    found = admin().describe_cluster()
    nodes = [{"id": b["broker_id" if "broker_id" in b else "node_id"], "host": b["host"], "port": b["port"]} for b in found["brokers"]]
    return {"nodes": nodes, "controller": found["controller_id"], "clusterId": found.get("cluster_id")}


def resource(topic=None, broker=None, configs=None):
    kind = ConfigResourceType.BROKER if topic is None else ConfigResourceType.TOPIC
    return ConfigResource(kind, topic or broker, configs)


def describe_configs(**which):
    if SINCE_3:
        by_name = next(iter(next(iter(admin().describe_configs([resource(**which)], config_filter="all").values())).values()))
        configs = {
            name: {"value": entry["value"], "isDefault": entry["config_source"] == "DEFAULT_CONFIG", "readOnly": entry["read_only"]}
            for name, entry in by_name.items()
        }
        return {"configs": configs}
    code, message, _, _, entries = admin().describe_configs([resource(**which)])[0].resources[0]
    check(code, message)
    # The fields are a name, a value, whether it is read only, and its source: 5 is a default.
    return {"configs": {entry[0]: {"value": entry[1], "readOnly": entry[2], "isDefault": entry[3] == 5} for entry in entries}}


def check_altered(answer, topic):
    """An error is not thrown: its text is one of the values of the answer."""
    outcome = str(answer["topic"][topic])
    if outcome != "OK":
        code = re.search(r"\[Error (\d+)\]", outcome)
        raise wire.Failure(int(code.group(1)) if code else 0, outcome)


def alter_configs(topic, configs):
    if SINCE_3:
        check_altered(admin().alter_configs([resource(topic, configs=configs)], incremental=False), topic)
    else:
        code, message = admin().alter_configs([resource(topic, configs=configs)]).resources[0][:2]
        check(code, message)


def incremental_alter_configs(topic, ops):
    changes = {op["name"]: (op["op"], op.get("value")) for op in ops}
    check_altered(admin().alter_configs([resource(topic, configs=changes)], incremental=True), topic)


def create_partitions(topic, total):
    admin().create_partitions({topic: total if SINCE_3 else NewPartitions(total)})


def delete_records(topic, partition, before):
    at = TopicPartition(topic, partition)
    return {"lowWatermark": admin().delete_records({at: before})[at]["low_watermark"]}


def list_offsets(topic, partition, spec):
    kinds = {"earliest": -2, "latest": -1, "maxTimestamp": -3, "earliestLocal": -4, "latestTiered": -5}
    at = TopicPartition(topic, partition)
    found = admin().list_partition_offsets({at: kinds.get(spec, spec)})[at]
    return {"offset": found.offset, "timestamp": found.timestamp}


def describe_features():
    found = admin().describe_features()
    return {"finalized": {name: levels["finalized"][1] for name, levels in found.items() if "finalized" in levels}}


def list_config_resources():
    found = admin().list_config_resources()
    return {"resources": [[kind.upper(), name] for kind, names in found.items() for name in names]}


def delete_topic(topic):
    admin().delete_topics([topic])


ops = {
    "produce": produce,
    "fetch": fetch,
    "createTopic": create_topic,
    "createTopic.assignments": create_topic,
    "listTopics": lambda: {"topics": admin().list_topics()},
    "describeTopic": describe_topic,
    "describeCluster": describe_cluster,
    "describeConfigs": describe_configs,
    "alterConfigs": alter_configs,
    "createPartitions": create_partitions,
    "deleteTopic": delete_topic,
}
if SINCE_3:
    kinds = ("", ".earliest", ".latest", ".maxTimestamp", ".earliestLocal", ".latestTiered")
    ops.update({f"listOffsets{kind}": list_offsets for kind in kinds})
    ops["incrementalAlterConfigs"] = incremental_alter_configs
    ops["deleteRecords"] = delete_records
    ops["describeFeatures"] = describe_features
    ops["listConfigResources"] = list_config_resources

wire.serve(kafka.__version__, ops, code_of)

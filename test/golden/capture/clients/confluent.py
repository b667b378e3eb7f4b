"""What the golden bytes hold of confluent-kafka: a short life of a producer, consumers and an admin client."""

import sys
from confluent_kafka import Consumer, Producer, TopicPartition, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

bootstrap = sys.argv[1]
topic = "golden-confluent"
base = {"bootstrap.servers": bootstrap}

admin = AdminClient(base)


def done(futures):
    for future in futures.values() if isinstance(futures, dict) else [futures]:
        try:
            future.result(20)
        except KafkaException as error:
            print(error)


done(admin.create_topics([NewTopic(topic, 2, 1, config={"segment.bytes": "1048576"})]))
for settings in (
    {"acks": "0"},
    {"acks": "1", "compression.type": "gzip"},
    {"enable.idempotence": True, "compression.type": "zstd"},
    {"acks": "all", "compression.type": "lz4"},
    {"acks": "all", "compression.type": "snappy"},
):
    producer = Producer({**base, **settings})
    producer.produce(topic, key="k", value="v" * 40, headers=[("h", b"1"), ("empty", None)], partition=0)
    producer.produce(topic, key=None, value=None, partition=1, timestamp=1_600_000_000_000)
    producer.flush(20)

consumer = Consumer({**base, "group.id": "golden-confluent", "enable.auto.commit": False})
consumer.assign([TopicPartition(topic, 0, 0), TopicPartition(topic, 1, 1)])
consumer.consume(4, 10)
consumer.offsets_for_times([TopicPartition(topic, 0, 1_600_000_000_000)], 10)
consumer.get_watermark_offsets(TopicPartition(topic, 0), 10)
consumer.commit(offsets=[TopicPartition(topic, 0, 2)], asynchronous=False)
consumer.committed([TopicPartition(topic, 0)], 10)
consumer.close()

for settings in ({}, {"group.protocol": "consumer"}):
    member = Consumer({**base, "group.id": f"golden-{len(settings)}", "auto.offset.reset": "earliest", **settings})
    member.subscribe([topic])
    member.consume(4, 10)
    member.commit(asynchronous=False)
    member.close()

transactional = Producer({**base, "transactional.id": "golden-confluent"})
transactional.init_transactions(20)
transactional.begin_transaction()
transactional.produce(topic, "in a transaction", partition=0)
transactional.commit_transaction(20)

admin.list_topics(timeout=20)
done(admin.create_partitions([NewPartitions(topic, 3)]))
done(admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic)]))
done(admin.list_consumer_groups())
done(admin.describe_consumer_groups(["golden-0"]))
done(admin.describe_topics(__import__("confluent_kafka").TopicCollection([topic])))
done(admin.describe_cluster())
done(admin.list_offsets({TopicPartition(topic, 0): __import__("confluent_kafka").admin.OffsetSpec.latest()}))
done(admin.delete_records([TopicPartition(topic, 0, 1)]))
done(admin.delete_consumer_groups(["golden-0"]))
done(admin.delete_topics([topic]))

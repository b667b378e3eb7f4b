// Kafka's own Java clients, run once: every line that this prints is one fact for java.suite.ts to check.
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.*;

public class JavaClient {
  static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");
  static final int RECORDS = 200;
  static String bootstrap;
  static long baseTimestamp;

  static String topicOf(String codec) { return "java-" + codec; }

  static String text(byte[] bytes) { return bytes == null ? "null" : "b" + Base64.getEncoder().encodeToString(bytes); }

  static byte[] bytes(String text) { return text.getBytes(StandardCharsets.UTF_8); }

  /** Present, null and empty by turns. */
  static byte[] choose(int i, String text) { return i % 3 == 0 ? bytes(text) : i % 3 == 1 ? null : new byte[0]; }

  static void print(String what, String topic, long offset, long timestamp, byte[] key, byte[] value, Iterable<Header> headers) {
    var parts = new ArrayList<String>(List.of(what, topic, "" + offset, "" + timestamp, text(key), text(value)));
    for (Header header : headers) parts.add(header.key() + "=" + text(header.value()));
    System.out.println(String.join(" ", parts));
  }

  static KafkaProducer<byte[], byte[]> producer(String codec, boolean idempotent) {
    Map<String, Object> config = new HashMap<>();
    config.put("bootstrap.servers", bootstrap);
    config.put("compression.type", codec);
    config.put("enable.idempotence", idempotent);
    config.put("acks", idempotent ? "all" : "1");
    config.put("linger.ms", 20);
    return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
  }

  static void produce(String codec, boolean idempotent) throws Exception {
    String topic = topicOf(codec);
    var sent = new ArrayList<ProducerRecord<byte[], byte[]>>();
    var futures = new ArrayList<Future<RecordMetadata>>();
    try (var producer = producer(codec, idempotent)) {
      for (int i = 0; i < RECORDS; i++) {
        List<Header> headers = new ArrayList<>();
        if (i % 4 > 0) headers.add(new RecordHeader("h", bytes("" + i)));
        if (i % 4 > 1) headers.add(new RecordHeader("h", null));
        byte[] value = choose(i / 3, "value-" + i + "-".repeat(i));
        var record = new ProducerRecord<>(topic, 0, baseTimestamp + i * 1000L, choose(i, "key-" + i), value, headers);
        sent.add(record);
        futures.add(producer.send(record));
      }
      for (int i = 0; i < RECORDS; i++) {
        var record = sent.get(i);
        long offset = futures.get(i).get().offset();
        print("sent", topic, offset, record.timestamp(), record.key(), record.value(), record.headers());
      }
    }
  }

  static KafkaConsumer<byte[], byte[]> consumer() {
    Map<String, Object> config = Map.of("bootstrap.servers", bootstrap, "auto.offset.reset", "none", "max.poll.records", 37);
    return new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }

  static List<ConsumerRecord<byte[], byte[]>> poll(KafkaConsumer<byte[], byte[]> consumer, int count) {
    var records = new ArrayList<ConsumerRecord<byte[], byte[]>>();
    long end = System.nanoTime() + Duration.ofSeconds(20).toNanos();
    while (records.size() < count && System.nanoTime() < end) consumer.poll(Duration.ofMillis(200)).forEach(records::add);
    return records;
  }

  /** One consumer over all topics: its fetch session holds them together and is changed by each seek. */
  static void consume() {
    var partitions = CODECS.stream().map(codec -> new TopicPartition(topicOf(codec), 0)).collect(Collectors.toList());
    try (var consumer = consumer()) {
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      for (var record : poll(consumer, CODECS.size() * RECORDS)) {
        print("read", record.topic(), record.offset(), record.timestamp(), record.key(), record.value(), record.headers());
      }
      consumer.beginningOffsets(partitions).forEach((p, offset) -> System.out.println("beginning " + p.topic() + " " + offset));
      consumer.endOffsets(partitions).forEach((p, offset) -> System.out.println("end " + p.topic() + " " + offset));
      var times = partitions.stream().collect(Collectors.toMap(p -> p, p -> baseTimestamp + 41_500L));
      consumer.offsetsForTimes(times).forEach((p, at) -> System.out.println("time " + p.topic() + " " + at.offset() + " " + at.timestamp()));
      for (var partition : partitions) {
        consumer.assign(List.of(partition));
        consumer.seek(partition, 123);
        System.out.println("sought " + partition.topic() + " " + poll(consumer, 1).get(0).offset());
      }
    }
  }

  /** A topic that comes back under its name is another topic: a producer that knew the old one finds out. */
  static void recreate(Admin admin) throws Exception {
    String topic = "java-recreated";
    var wanted = List.of(new NewTopic(topic, 1, (short) 1));
    admin.createTopics(wanted).all().get();
    try (var producer = producer("none", true)) {
      for (int i = 0; i < 2; i++) {
        System.out.println("before " + producer.send(new ProducerRecord<>(topic, bytes("before"))).get().offset());
      }
      admin.deleteTopics(List.of(topic)).all().get();
      try {
        admin.describeTopics(List.of(topic)).allTopicNames().get();
        System.out.println("deleted no");
      } catch (ExecutionException e) {
        System.out.println("deleted " + e.getCause().getClass().getSimpleName());
      }
      admin.createTopics(wanted).all().get();
    }
    try (var producer = producer("none", true)) {
      System.out.println("after " + producer.send(new ProducerRecord<>(topic, bytes("after"))).get().offset());
    }
  }

  public static void main(String[] args) throws Exception {
    bootstrap = args[0];
    baseTimestamp = System.currentTimeMillis() / 1000 * 1000 - 3_600_000;
    try (var admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
      // The first two are created by hand, the others by themselves.
      var made = CODECS.subList(0, 2).stream().map(codec -> new NewTopic(topicOf(codec), 1, (short) 1));
      admin.createTopics(made.collect(Collectors.toList())).all().get();
      for (String codec : CODECS) produce(codec, !codec.equals("gzip"));
      consume();
      recreate(admin);
    }
  }
}

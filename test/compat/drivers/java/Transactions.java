import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Transactions of Kafka's own Java clients: the ops that drivers/README.md lists under their name. */
public class Transactions {
  private static final Map<String, KafkaProducer<String, String>> PRODUCERS = new HashMap<>();
  private static String bootstrap;
  private static AdminClient admin;

  private static String text(JsonNode args, String name) { return args.get(name).asText(); }

  private static KafkaProducer<String, String> producer(JsonNode args) { return PRODUCERS.get(text(args, "producer")); }

  private static KafkaProducer<String, String> producerOf(String transactionalId, int timeoutMs) {
    Map<String, Object> config = new HashMap<>();
    config.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
    config.put(ProducerConfig.TRANSACTIONAL_ID_CONFIG, transactionalId);
    config.put(ProducerConfig.TRANSACTION_TIMEOUT_CONFIG, timeoutMs);
    return new KafkaProducer<>(config, new StringSerializer(), new StringSerializer());
  }

  private static KafkaConsumer<String, String> consumerOf(String isolation, Map<String, Object> more) {
    Map<String, Object> config = new HashMap<>(more);
    config.put(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
    config.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, isolation);
    config.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    config.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
    return new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer());
  }

  private static Object open(JsonNode args) {
    var producer = producerOf(text(args, "transactionalId"), args.get("timeoutMs").asInt());
    PRODUCERS.put(text(args, "producer"), producer);
    producer.initTransactions();
    return null;
  }

  private static Object send(JsonNode args) throws Exception {
    var sent = new ArrayList<Future<RecordMetadata>>();
    for (JsonNode value : args.get("values"))
      sent.add(producer(args).send(
          new ProducerRecord<>(text(args, "topic"), args.get("partition").asInt(), null, value.asText())));
    producer(args).flush();
    for (var future : sent) future.get();
    return null;
  }

  /** Without a transaction. */
  private static Object give(JsonNode args) throws Exception {
    Map<String, Object> config = Map.of(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
    var sent = new ArrayList<Future<RecordMetadata>>();
    try (var producer = new KafkaProducer<>(config, new StringSerializer(), new StringSerializer())) {
      for (JsonNode value : args.get("values"))
        sent.add(producer.send(new ProducerRecord<>(text(args, "topic"), args.get("partition").asInt(), null, value.asText())));
    }
    for (var future : sent) future.get();
    return null;
  }

  private static Object sendOffset(JsonNode args) {
    var partition = new TopicPartition(text(args, "topic"), args.get("partition").asInt());
    var offsets = Map.of(partition, new OffsetAndMetadata(args.get("offset").asLong()));
    producer(args).sendOffsetsToTransaction(offsets, new ConsumerGroupMetadata(text(args, "group")));
    return null;
  }

  private static Object close(JsonNode args) {
    PRODUCERS.remove(text(args, "producer")).close(Duration.ZERO);
    return null;
  }

  private static List<TopicPartition> partitionsOf(JsonNode args) {
    var partitions = new ArrayList<TopicPartition>();
    for (int i = 0; i < args.get("partitions").asInt(); i++) partitions.add(new TopicPartition(text(args, "topic"), i));
    return partitions;
  }

  /** Until `count` records have come, and `quietMs` longer. */
  private static Object read(JsonNode args) {
    var partitions = partitionsOf(args);
    var parts = new ArrayList<List<Object>>();
    partitions.forEach(partition -> parts.add(new ArrayList<>()));
    long end = System.nanoTime() + Duration.ofMillis(args.get("timeoutMs").asLong()).toNanos();
    boolean isQuiet = false;
    int count = 0;
    try (var consumer = consumerOf(text(args, "isolation"), Map.of())) {
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      while (System.nanoTime() < end) {
        if (!isQuiet && count >= args.get("count").asInt()) {
          isQuiet = true;
          end = System.nanoTime() + Duration.ofMillis(args.get("quietMs").asLong()).toNanos();
        }
        for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(50))) {
          parts.get(record.partition()).add(List.of(record.offset(), record.value()));
          count++;
        }
      }
    }
    return Map.of("parts", parts);
  }

  private static Object ends(JsonNode args) throws Exception {
    var isolation = text(args, "isolation").equals("read_committed") ? IsolationLevel.READ_COMMITTED : IsolationLevel.READ_UNCOMMITTED;
    var asked = new HashMap<TopicPartition, OffsetSpec>();
    for (var partition : partitionsOf(args)) asked.put(partition, OffsetSpec.latest());
    var found = admin.listOffsets(asked, new ListOffsetsOptions(isolation)).all().get();
    var offsets = new ArrayList<Long>();
    for (var partition : partitionsOf(args)) offsets.add(found.get(partition).offset());
    return Map.of("offsets", offsets);
  }

  /** By partition; -1 where nothing is committed. */
  private static Object committed(JsonNode args) throws Exception {
    var found = admin.listConsumerGroupOffsets(text(args, "group")).partitionsToOffsetAndMetadata().get();
    var offsets = new ArrayList<Long>();
    for (var partition : partitionsOf(args)) {
      var offset = found.get(partition);
      offsets.add(offset == null ? -1 : offset.offset());
    }
    return Map.of("offsets", offsets);
  }

  private static void rewind(KafkaConsumer<String, String> consumer) {
    var committed = consumer.committed(consumer.assignment());
    for (var partition : consumer.assignment()) {
      var offset = committed.get(partition);
      if (offset == null) consumer.seekToBeginning(List.of(partition));
      else consumer.seek(partition, offset.offset());
    }
  }

  /** Consumes, produces what it made of it to the same partition and commits both, until it is killed. */
  private static Object loop(JsonNode args) {
    var config = new HashMap<String, Object>();
    config.put(ConsumerConfig.GROUP_ID_CONFIG, text(args, "group"));
    config.put(ConsumerConfig.GROUP_PROTOCOL_CONFIG, text(args, "protocol"));
    config.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, args.get("batch").asInt());
    if (text(args, "protocol").equals("classic")) {
      config.put(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG, args.get("sessionTimeoutMs").asInt());
      config.put(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG, 300);
    }
    for (;;) {
      // Whatever cannot be aborted needs a new producer, and a consumer that begins from what is committed.
      try (var producer = producerOf(text(args, "transactionalId"), args.get("timeoutMs").asInt());
          var consumer = consumerOf("read_committed", config)) {
        producer.initTransactions();
        consumer.subscribe(List.of(text(args, "in")));
        for (int turn = 1;; turn++) turn(producer, consumer, text(args, "out"), turn % 5 == 0);
      } catch (RuntimeException e) {
        System.err.println("begins anew after " + e);
      }
    }
  }

  private static void turn(KafkaProducer<String, String> producer, KafkaConsumer<String, String> consumer, String out, boolean abort) {
    var records = consumer.poll(Duration.ofMillis(200));
    if (records.isEmpty()) return;
    producer.beginTransaction();
    var offsets = new HashMap<TopicPartition, OffsetAndMetadata>();
    for (var record : records) {
      producer.send(new ProducerRecord<>(out, record.partition(), null, "did " + record.value()));
      offsets.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
    }
    producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
    if (abort) {
      producer.abortTransaction();
      rewind(consumer);
    } else producer.commitTransaction();
  }

  /** The first of the causes that is the protocol's. */
  private static Map<String, Object> failure(Throwable thrown) {
    Errors found = Errors.UNKNOWN_SERVER_ERROR;
    for (Throwable cause = thrown; cause != null && found == Errors.UNKNOWN_SERVER_ERROR; cause = cause.getCause())
      found = Errors.forException(cause);
    return Map.of("code", (int) found.code(), "message", String.valueOf(thrown));
  }

  private static Driver.Op then(java.util.function.Consumer<KafkaProducer<String, String>> act) {
    return args -> {
      act.accept(producer(args));
      return null;
    };
  }

  public static void main(String[] args) throws Exception {
    bootstrap = args[0];
    admin = AdminClient.create(Map.of("bootstrap.servers", bootstrap));
    var ops = new HashMap<String, Driver.Op>();
    ops.put("hello", none -> Map.of("version", Driver.version()));
    ops.put("open", Transactions::open);
    ops.put("begin", then(KafkaProducer::beginTransaction));
    ops.put("send", Transactions::send);
    ops.put("give", Transactions::give);
    ops.put("sendOffset", Transactions::sendOffset);
    ops.put("commit", then(KafkaProducer::commitTransaction));
    ops.put("abort", then(KafkaProducer::abortTransaction));
    ops.put("close", Transactions::close);
    ops.put("read", Transactions::read);
    ops.put("ends", Transactions::ends);
    ops.put("committed", Transactions::committed);
    ops.put("loop", Transactions::loop);
    var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      var command = Driver.JSON.readTree(line);
      var answer = new HashMap<String, Object>();
      try {
        answer.put("result", ops.get(command.get("op").asText()).run(command.get("args")));
      } catch (Exception e) {
        answer.put("error", failure(e));
      }
      System.out.println(Driver.JSON.writeValueAsString(answer));
    }
    System.exit(0);
  }
}

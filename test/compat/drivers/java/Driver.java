import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Kafka's own Java clients behind the line protocol of drivers/README.md. Compiles against every version from 2.1 on;
 * calls that not all of them have are in classes of their own, which are there where they compile.
 */
public class Driver {
  interface Op {
    Object run(JsonNode args) throws Exception;
  }

  static final ObjectMapper JSON = new ObjectMapper();
  static final int INLINE_BYTES_MAX = 1024;
  static final List<String> OPTIONAL = List.of("AdminUntil39", "AdminSince28", "AdminSince41", "AdminGroups");
  static String bootstrap;

  /** What the jar says of itself: the class that reads this has moved between versions. */
  static String version() throws Exception {
    var properties = new Properties();
    try (var in = Driver.class.getResourceAsStream("/kafka/kafka-version.properties")) {
      properties.load(in);
    }
    return properties.getProperty("version");
  }

  static byte[] bytes(JsonNode node) { return node == null || node.isNull() ? null : Base64.getDecoder().decode(node.asText()); }

  /** Base64, or a digest of what is too long for a line. */
  static String text(byte[] bytes) throws Exception {
    if (bytes == null) return null;
    if (bytes.length <= INLINE_BYTES_MAX) return Base64.getEncoder().encodeToString(bytes);
    var hex = new StringBuilder("sha256:");
    for (byte b : MessageDigest.getInstance("SHA-256").digest(bytes)) hex.append(String.format("%02x", b));
    return hex.toString();
  }

  static Object produce(JsonNode args) throws Exception {
    String acks = args.get("acks").asText();
    Map<String, Object> config = new HashMap<>();
    config.put("bootstrap.servers", bootstrap);
    config.put("compression.type", args.get("codec").asText());
    config.put("enable.idempotence", args.get("idempotent").asBoolean());
    config.put("acks", acks.equals("-1") ? "all" : acks);
    config.put("linger.ms", 20);
    var offsets = new ArrayList<Long>();
    try (var producer = new KafkaProducer<byte[], byte[]>(config, new ByteArraySerializer(), new ByteArraySerializer())) {
      var futures = new ArrayList<Future<RecordMetadata>>();
      for (JsonNode record : args.get("records")) {
        var headers = new ArrayList<Header>();
        for (JsonNode header : record.get("headers")) headers.add(new RecordHeader(header.get(0).asText(), bytes(header.get(1))));
        Long timestamp = record.get("timestamp").isNull() ? null : record.get("timestamp").asLong();
        futures.add(producer.send(new ProducerRecord<>(args.get("topic").asText(), args.get("partition").asInt(), timestamp,
            bytes(record.get("key")), bytes(record.get("value")), headers)));
      }
      for (var future : futures) {
        var metadata = future.get();
        offsets.add(metadata.hasOffset() ? metadata.offset() : null);
      }
    }
    return Map.of("offsets", offsets);
  }

  static Map<String, Object> describe(ConsumerRecord<byte[], byte[]> record) throws Exception {
    var headers = new ArrayList<List<String>>();
    for (Header header : record.headers()) headers.add(Arrays.asList(header.key(), text(header.value())));
    var described = new HashMap<String, Object>();
    described.put("offset", record.offset());
    described.put("timestamp", record.timestamp());
    described.put("key", text(record.key()));
    described.put("value", text(record.value()));
    described.put("headers", headers);
    return described;
  }

  static Object fetch(JsonNode args) throws Exception {
    Map<String, Object> config = Map.of("bootstrap.servers", bootstrap, "auto.offset.reset", "none",
        "enable.auto.commit", false, "client.id", "driver");
    var starts = new LinkedHashMap<TopicPartition, Long>();
    var wanted = new HashMap<TopicPartition, Integer>();
    for (JsonNode part : args.get("parts")) {
      var partition = new TopicPartition(part.get("topic").asText(), part.get("partition").asInt());
      starts.put(partition, part.get("offset").asLong());
      wanted.put(partition, part.get("count").asInt());
    }
    var read = new HashMap<TopicPartition, List<Object>>();
    for (var partition : starts.keySet()) read.put(partition, new ArrayList<>());
    int missing = wanted.values().stream().mapToInt(Integer::intValue).sum();
    long end = System.nanoTime() + Duration.ofMillis(args.get("timeoutMs").asLong()).toNanos();
    try (var consumer = new KafkaConsumer<byte[], byte[]>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      consumer.assign(starts.keySet());
      starts.forEach(consumer::seek);
      while (missing > 0 && System.nanoTime() < end) {
        for (var record : consumer.poll(Duration.ofMillis(200))) {
          var records = read.get(new TopicPartition(record.topic(), record.partition()));
          if (records.size() == wanted.get(new TopicPartition(record.topic(), record.partition()))) continue;
          records.add(describe(record));
          missing--;
        }
      }
    }
    var parts = new ArrayList<Object>();
    for (var partition : starts.keySet()) parts.add(read.get(partition));
    return Map.of("parts", parts);
  }

  static Map<String, Object> failure(Throwable thrown) {
    Throwable cause = thrown;
    while (cause instanceof ExecutionException && cause.getCause() != null) cause = cause.getCause();
    // The consumer's own exception for this is not the protocol's.
    boolean outOfRange = cause instanceof OffsetOutOfRangeException;
    var error = outOfRange ? Errors.OFFSET_OUT_OF_RANGE : Errors.forException(cause);
    return Map.of("code", (int) error.code(), "message", String.valueOf(cause));
  }

  public static void main(String[] args) throws Exception {
    bootstrap = args[0];
    var ops = new LinkedHashMap<String, Op>();
    ops.put("produce", Driver::produce);
    ops.put("fetch", Driver::fetch);
    try (var admin = AdminClient.create(Map.<String, Object>of("bootstrap.servers", bootstrap))) {
      AdminCalls.register(ops, admin);
      for (String name : OPTIONAL) {
        try {
          Class.forName(name).getDeclaredMethod("register", Map.class, AdminClient.class).invoke(null, ops, admin);
        } catch (ClassNotFoundException notInThisVersion) {
          continue;
        }
      }
      ops.put("hello", ignored -> Map.of("version", version(), "ops", new ArrayList<>(ops.keySet())));
      var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        var request = JSON.readTree(line);
        Object answer;
        try {
          answer = Collections.singletonMap("result", ops.get(request.get("op").asText()).run(request.get("args")));
        } catch (Exception | LinkageError e) {
          answer = Map.of("error", failure(e));
        }
        System.out.println(JSON.writeValueAsString(answer));
      }
    }
  }
}

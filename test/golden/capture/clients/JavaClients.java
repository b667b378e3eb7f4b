// What the golden bytes hold of Kafka's own clients: producers, consumers of every kind and a wide walk through Admin.
import java.time.Duration;
import java.util.*;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.serialization.*;

public class JavaClients {
  static final String TOPIC = "golden-java";
  static Map<String, Object> base;

  interface Call { KafkaFuture<?> start() throws Exception; }

  /** An answer that is an error is as good as any other here. */
  static void call(Call call) throws Exception {
    try {
      call.start().get(20, TimeUnit.SECONDS);
    } catch (ExecutionException e) {
      System.out.println(e.getCause());
    }
  }

  static Map<String, Object> with(Object... settings) {
    Map<String, Object> all = new HashMap<>(base);
    for (int i = 0; i < settings.length; i += 2) all.put((String) settings[i], settings[i + 1]);
    return all;
  }

  static KafkaProducer<String, String> producer(Object... settings) {
    return new KafkaProducer<>(with(settings), new StringSerializer(), new StringSerializer());
  }

  static KafkaConsumer<String, String> consumer(Object... settings) {
    return new KafkaConsumer<>(with(settings), new StringDeserializer(), new StringDeserializer());
  }

  static void poll(Consumer<String, String> consumer, int wanted) {
    long end = System.nanoTime() + Duration.ofSeconds(15).toNanos();
    for (int seen = 0; seen < wanted && System.nanoTime() < end; ) {
      seen += consumer.poll(Duration.ofMillis(200)).count();
    }
  }

  static void produce() throws Exception {
    for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
      boolean idempotent = !codec.equals("gzip");
      String acks = codec.equals("none") ? "all" : codec.equals("gzip") ? "0" : "-1";
      try (var producer = producer("compression.type", codec, "enable.idempotence", idempotent, "acks", acks)) {
        var headers = List.of(new RecordHeader("h", new byte[] {1}), new RecordHeader("empty", (byte[]) null));
        producer.send(new ProducerRecord<>(TOPIC, 0, null, "k", "v".repeat(40), new ArrayList<>(headers))).get();
        producer.send(new ProducerRecord<>(TOPIC, 1, 1_600_000_000_000L, null, null, List.of())).get();
      }
    }
    try (var producer = producer("transactional.id", "golden-java");
        var consumer = consumer("group.id", "golden-java-tx")) {
      producer.initTransactions();
      producer.beginTransaction();
      producer.send(new ProducerRecord<>(TOPIC, 0, "t", "in a transaction")).get();
      var offsets = Map.of(new TopicPartition(TOPIC, 0), new OffsetAndMetadata(1));
      producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
      producer.commitTransaction();
      producer.beginTransaction();
      producer.send(new ProducerRecord<>(TOPIC, 0, "t", "aborted")).get();
      producer.abortTransaction();
    }
  }

  static void consume() {
    var partitions = List.of(new TopicPartition(TOPIC, 0), new TopicPartition(TOPIC, 1));
    for (String isolation : List.of("read_uncommitted", "read_committed")) {
      try (var consumer = consumer("isolation.level", isolation)) {
        consumer.assign(partitions);
        consumer.seekToBeginning(partitions);
        poll(consumer, 8);
        consumer.offsetsForTimes(Map.of(partitions.get(0), 1_600_000_000_000L));
        consumer.endOffsets(partitions);
      }
    }
    for (String protocol : List.of("classic", "consumer")) {
      var group = "golden-java-" + protocol;
      try (var consumer =
          consumer("group.id", group, "group.protocol", protocol, "auto.offset.reset", "earliest")) {
        consumer.subscribe(List.of(TOPIC));
        poll(consumer, 8);
        consumer.commitSync();
        consumer.committed(Set.copyOf(partitions));
      }
    }
  }

  static void administer(Admin admin) throws Exception {
    var p0 = new TopicPartition(TOPIC, 0);
    var resource = new ConfigResource(ConfigResource.Type.TOPIC, TOPIC);
    var set = new AlterConfigOp(new ConfigEntry("retention.ms", "60000"), AlterConfigOp.OpType.SET);
    var groups = List.of("golden-java-classic", "golden-java-consumer");
    call(() -> admin.listTopics().names());
    call(() -> admin.describeTopics(List.of(TOPIC)).allTopicNames());
    call(() -> admin.describeCluster().nodes());
    call(() -> admin.describeConfigs(List.of(resource)).all());
    call(() -> admin.incrementalAlterConfigs(Map.of(resource, List.of(set))).all());
    call(() -> admin.createPartitions(Map.of(TOPIC, NewPartitions.increaseTo(3))).all());
    for (var spec : List.of(OffsetSpec.earliest(), OffsetSpec.latest(), OffsetSpec.maxTimestamp())) {
      call(() -> admin.listOffsets(Map.of(p0, spec)).all());
    }
    call(() -> admin.listGroups().all());
    call(() -> admin.describeClassicGroups(List.of(groups.get(0))).all());
    call(() -> admin.describeConsumerGroups(groups).all());
    call(() -> admin.listConsumerGroupOffsets(groups.get(0)).partitionsToOffsetAndMetadata());
    call(() -> admin.alterConsumerGroupOffsets(groups.get(0), Map.of(p0, new OffsetAndMetadata(1))).all());
    call(() -> admin.deleteConsumerGroupOffsets(groups.get(0), Set.of(p0)).all());
    call(() -> admin.describeProducers(List.of(p0)).all());
    call(() -> admin.listTransactions().all());
    call(() -> admin.describeTransactions(List.of("golden-java")).all());
    call(() -> admin.fenceProducers(List.of("golden-java")).all());
    call(() -> admin.describeLogDirs(List.of(1)).allDescriptions());
    call(() -> admin.electLeaders(ElectionType.PREFERRED, Set.of(p0)).partitions());
    call(() -> admin.listPartitionReassignments().reassignments());
    call(() -> admin.alterPartitionReassignments(Map.of(p0, Optional.of(new NewPartitionReassignment(List.of(1))))).all());
    call(() -> admin.describeFeatures().featureMetadata());
    call(() -> admin.describeMetadataQuorum().quorumInfo());
    call(() -> admin.describeClientQuotas(ClientQuotaFilter.all()).entities());
    call(() -> admin.describeUserScramCredentials().all());
    call(() -> admin.describeAcls(AclBindingFilter.ANY).values());
    call(() -> admin.describeDelegationToken().delegationTokens());
    call(() -> admin.deleteRecords(Map.of(p0, RecordsToDelete.beforeOffset(1))).all());
    call(() -> admin.deleteConsumerGroups(groups).all());
    call(() -> admin.deleteTopics(List.of(TOPIC)).all());
  }

  public static void main(String[] args) throws Exception {
    base = Map.of("bootstrap.servers", args[0], "enable.auto.commit", false);
    try (var admin = Admin.create(base)) {
      var topic = new NewTopic(TOPIC, 2, (short) 1).configs(Map.of("segment.bytes", "1048576"));
      call(() -> admin.createTopics(List.of(topic)).all());
      produce();
      consume();
      administer(admin);
    }
  }
}

import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Consumes with auto-commit, one record a poll, and tells after each poll which offset becomes committed by it; then ends
 * as if it was killed. Arguments: bootstrap, group protocol, group, topic, how many records.
 */
public class Delivery {
  private static final Duration LIMIT = Duration.ofSeconds(60);

  public static void main(String[] args) throws Exception {
    Properties config = new Properties();
    config.put(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
    config.put(ConsumerConfig.GROUP_PROTOCOL_CONFIG, args[1]);
    config.put(ConsumerConfig.GROUP_ID_CONFIG, args[2]);
    config.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, true);
    config.put(ConsumerConfig.AUTO_COMMIT_INTERVAL_MS_CONFIG, 0);
    config.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 1);
    config.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    // What a slow machine leaves room for: who is put out before it has committed did not die.
    if (args[1].equals("classic")) config.put(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG, 6_000);
    if (args[1].equals("classic")) config.put(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG, 300);
    TopicPartition partition = new TopicPartition(args[3], 0);
    KafkaConsumer<String, String> consumer =
        new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer());
    consumer.subscribe(Set.of(args[3]));
    for (int polls = 0; polls < Integer.parseInt(args[4]); polls++) {
      ConsumerRecord<String, String> record = next(consumer);
      // The commit that the poll began is to reach the records before this one.
      long committed = awaitCommitted(consumer, partition, record.offset());
      System.out.println("took " + record.offset() + " committed " + committed);
    }
    System.out.flush();
    Runtime.getRuntime().halt(0);
  }

  private static ConsumerRecord<String, String> next(KafkaConsumer<String, String> consumer) {
    long end = System.nanoTime() + LIMIT.toNanos();
    while (System.nanoTime() < end)
      for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(100))) return record;
    throw new IllegalStateException("no record came");
  }

  /** Waits until as much is committed; tells what is committed then, which may be more. */
  private static long awaitCommitted(
      KafkaConsumer<String, String> consumer, TopicPartition partition, long offset) throws InterruptedException {
    long end = System.nanoTime() + LIMIT.toNanos();
    while (System.nanoTime() < end) {
      Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(Set.of(partition));
      long now = committed.get(partition) == null ? 0 : committed.get(partition).offset();
      if (now >= offset) return now;
      Thread.sleep(10);
    }
    throw new IllegalStateException("nothing was committed");
  }
}

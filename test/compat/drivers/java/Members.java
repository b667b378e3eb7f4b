import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/** Members of groups of Kafka's own Java client, told and heard by the lines of drivers/README.md. */
public class Members {
  static final ObjectMapper JSON = new ObjectMapper();
  static final Map<String, String> ASSIGNORS = Map.of("range", "RangeAssignor", "roundrobin", "RoundRobinAssignor",
      "sticky", "StickyAssignor", "cooperative-sticky", "CooperativeStickyAssignor");
  static String bootstrap;

  /** One write, so that a line is out, or not begun, when the process is killed. */
  static synchronized void emit(String event, String member, Object... fields) {
    var line = new LinkedHashMap<String, Object>(Map.of("event", event, "member", member, "at", System.currentTimeMillis()));
    for (int i = 0; i < fields.length; i += 2) line.put((String) fields[i], fields[i + 1]);
    try {
      System.out.write((JSON.writeValueAsString(line) + "\n").getBytes(StandardCharsets.UTF_8));
      System.out.flush();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  static List<String> names(Collection<TopicPartition> partitions) {
    return partitions.stream().map(p -> p.topic() + "/" + p.partition()).sorted().toList();
  }

  static class Member extends Thread implements ConsumerRebalanceListener {
    final String id;
    final KafkaConsumer<String, String> consumer;
    /** Next offsets of what was processed and whose commit is not acknowledged yet. */
    final Map<TopicPartition, OffsetAndMetadata> pending = new HashMap<>();
    volatile boolean leaving = false;
    private boolean stalled = false;

    Member(JsonNode args) {
      super(args.get("member").asText());
      id = getName();
      var config = new HashMap<String, Object>();
      config.put("bootstrap.servers", bootstrap);
      config.put("client.id", id);
      config.put("group.id", args.get("group").asText());
      config.put("group.protocol", args.get("protocol").asText());
      config.put("enable.auto.commit", false);
      config.put("auto.offset.reset", "earliest");
      config.put("max.poll.records", 20);
      config.put("metadata.max.age.ms", 1_000);
      config.put("reconnect.backoff.max.ms", 200);
      if (args.has("maxPollIntervalMs")) config.put("max.poll.interval.ms", args.get("maxPollIntervalMs").asInt());
      if (args.has("instanceId")) config.put("group.instance.id", args.get("instanceId").asText());
      String assignor = args.get("assignor").asText();
      if (args.get("protocol").asText().equals("consumer")) {
        config.put("group.remote.assignor", assignor);
      } else {
        config.put("partition.assignment.strategy", "org.apache.kafka.clients.consumer." + ASSIGNORS.get(assignor));
        config.put("session.timeout.ms", args.get("sessionTimeoutMs").asInt());
        config.put("heartbeat.interval.ms", 500);
      }
      consumer = new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer());
      if (args.has("regex")) {
        String regex = args.get("regex").asText();
        if (args.get("protocol").asText().equals("consumer")) {
          consumer.subscribe(new org.apache.kafka.clients.consumer.SubscriptionPattern(regex), this);
        } else {
          consumer.subscribe(Pattern.compile(regex), this);
        }
      } else {
        consumer.subscribe(List.of(args.get("topic").asText()), this);
      }
    }

    synchronized void stall(boolean now) {
      stalled = now;
      notifyAll();
    }

    synchronized void whileStalled() throws InterruptedException {
      while (stalled) wait();
    }

    int generation() { return consumer.groupMetadata().generationId(); }

    @Override public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
      emit("assigned", id, "partitions", names(partitions), "generation", generation());
    }

    @Override public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
      commit();
      pending.keySet().removeAll(partitions);
      emit("revoked", id, "partitions", names(partitions));
    }

    @Override public void onPartitionsLost(Collection<TopicPartition> partitions) {
      pending.keySet().removeAll(partitions);
      emit("lost", id, "partitions", names(partitions));
    }

    void commit() {
      if (pending.isEmpty()) return;
      try {
        consumer.commitSync(pending);
        var offsets = new TreeMap<String, Long>();
        pending.forEach((p, at) -> offsets.put(p.topic() + "/" + p.partition(), at.offset()));
        emit("committed", id, "offsets", offsets);
        pending.clear();
      } catch (KafkaException e) {
        emit("refused", id, "message", String.valueOf(e));
      }
    }

    @Override public void run() {
      try (consumer) {
        while (!leaving) {
          whileStalled();
          var records = consumer.poll(Duration.ofMillis(100));
          for (var partition : records.partitions()) {
            var processed = new ArrayList<Object>();
            for (var record : records.records(partition)) processed.add(List.of(record.offset(), record.value()));
            var all = records.records(partition);
            pending.put(partition, new OffsetAndMetadata(all.get(all.size() - 1).offset() + 1));
            emit("processed", id, "partition", partition.topic() + "/" + partition.partition(), "records", processed);
          }
          commit();
        }
      } catch (Exception e) {
        emit("failed", id, "message", String.valueOf(e));
        return;
      }
      emit("left", id);
    }
  }

  public static void main(String[] args) throws Exception {
    bootstrap = args[0];
    var members = new ConcurrentHashMap<String, Member>();
    emit("ready", "");
    var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      var command = JSON.readTree(line);
      if (command.get("op").asText().equals("join")) {
        var member = new Member(command);
        members.put(member.id, member);
        member.start();
      } else if (command.get("op").asText().equals("leave")) {
        members.remove(command.get("member").asText()).leaving = true;
      } else {
        members.get(command.get("member").asText()).stall(command.get("op").asText().equals("stall"));
      }
    }
    System.exit(0);
  }
}

import com.fasterxml.jackson.databind.JsonNode;
import java.util.*;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

/** The calls of the admin client that every version from 2.1 on has. */
class AdminCalls {
  static String topic(JsonNode args) { return args.get("topic").asText(); }

  /** The topic that the arguments name, or else the broker. */
  static ConfigResource resource(JsonNode args) {
    return args.has("topic")
        ? new ConfigResource(ConfigResource.Type.TOPIC, topic(args))
        : new ConfigResource(ConfigResource.Type.BROKER, args.get("broker").asText());
  }

  static Map<String, String> strings(JsonNode object) {
    var map = new LinkedHashMap<String, String>();
    if (object != null) object.fields().forEachRemaining(field -> map.put(field.getKey(), field.getValue().asText()));
    return map;
  }

  static List<Integer> ids(List<Node> nodes) { return nodes.stream().map(Node::id).collect(Collectors.toList()); }

  static Object createTopic(AdminClient admin, JsonNode args) throws Exception {
    NewTopic wanted;
    if (args.has("assignments")) {
      var assignments = new HashMap<Integer, List<Integer>>();
      for (JsonNode replicas : args.get("assignments")) {
        var ids = new ArrayList<Integer>();
        for (JsonNode id : replicas) ids.add(id.asInt());
        assignments.put(assignments.size(), ids);
      }
      wanted = new NewTopic(topic(args), assignments);
    } else {
      wanted = new NewTopic(topic(args), args.get("partitions").asInt(), (short) 1);
    }
    wanted.configs(strings(args.get("configs")));
    admin.createTopics(List.of(wanted)).all().get();
    return null;
  }

  /** `all()` until 3.x, `allTopicNames()` since. */
  @SuppressWarnings("unchecked")
  static Object describeTopic(AdminClient admin, JsonNode args) throws Exception {
    var result = admin.describeTopics(List.of(topic(args)));
    var all = Arrays.stream(DescribeTopicsResult.class.getMethods()).filter(m -> m.getName().equals("allTopicNames")).findAny();
    var method = all.isPresent() ? all.get() : DescribeTopicsResult.class.getMethod("all");
    var described = ((KafkaFuture<Map<String, TopicDescription>>) method.invoke(result)).get().get(topic(args));
    var partitions = new ArrayList<Object>();
    for (var p : described.partitions()) {
      partitions.add(Map.of("partition", p.partition(), "leader", p.leader().id(), "replicas", ids(p.replicas()), "isr", ids(p.isr())));
    }
    return Map.of("partitions", partitions);
  }

  static Object describeCluster(AdminClient admin, JsonNode args) throws Exception {
    var cluster = admin.describeCluster();
    var nodes = new ArrayList<Object>();
    for (Node node : cluster.nodes().get()) nodes.add(Map.of("id", node.id(), "host", node.host(), "port", node.port()));
    return Map.of("nodes", nodes, "controller", cluster.controller().get().id(), "clusterId", cluster.clusterId().get());
  }

  static Object describeConfigs(AdminClient admin, JsonNode args) throws Exception {
    var resource = resource(args);
    var configs = new HashMap<String, Object>();
    for (var entry : admin.describeConfigs(List.of(resource)).all().get().get(resource).entries()) {
      var described = new HashMap<String, Object>();
      described.put("value", entry.value());
      described.put("isDefault", entry.source() == ConfigEntry.ConfigSource.DEFAULT_CONFIG);
      described.put("source", entry.source().name());
      described.put("readOnly", entry.isReadOnly());
      configs.put(entry.name(), described);
    }
    return Map.of("configs", configs);
  }

  static Object createPartitions(AdminClient admin, JsonNode args) throws Exception {
    admin.createPartitions(Map.of(topic(args), NewPartitions.increaseTo(args.get("total").asInt()))).all().get();
    return null;
  }

  static Object deleteRecords(AdminClient admin, JsonNode args) throws Exception {
    var partition = new TopicPartition(topic(args), args.get("partition").asInt());
    var before = Map.of(partition, RecordsToDelete.beforeOffset(args.get("before").asLong()));
    return Map.of("lowWatermark", admin.deleteRecords(before).lowWatermarks().get(partition).get().lowWatermark());
  }

  static void register(Map<String, Driver.Op> ops, AdminClient admin) {
    ops.put("createTopic", args -> createTopic(admin, args));
    ops.put("createTopic.assignments", args -> createTopic(admin, args));
    ops.put("listTopics", args -> Map.of("topics", admin.listTopics().names().get()));
    ops.put("describeTopic", args -> describeTopic(admin, args));
    ops.put("describeCluster", args -> describeCluster(admin, args));
    ops.put("describeConfigs", args -> describeConfigs(admin, args));
    ops.put("createPartitions", args -> createPartitions(admin, args));
    ops.put("deleteRecords", args -> deleteRecords(admin, args));
    ops.put("deleteTopic", args -> {
      admin.deleteTopics(List.of(topic(args))).all().get();
      return null;
    });
  }
}

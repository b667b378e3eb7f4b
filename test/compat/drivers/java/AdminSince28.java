import com.fasterxml.jackson.databind.JsonNode;
import java.lang.reflect.Modifier;
import java.util.*;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.TopicPartition;

/** What came between 2.1 and 2.8; the kinds of offsets are those of the version at hand. */
class AdminSince28 {
  static List<String> kinds() {
    return Arrays.stream(OffsetSpec.class.getMethods())
        .filter(m -> Modifier.isStatic(m.getModifiers()) && m.getParameterCount() == 0)
        .map(m -> m.getName())
        .sorted()
        .collect(Collectors.toList());
  }

  static Object listOffsets(AdminClient admin, JsonNode args) throws Exception {
    var partition = new TopicPartition(AdminCalls.topic(args), args.get("partition").asInt());
    var spec = args.get("spec").isNumber()
        ? OffsetSpec.forTimestamp(args.get("spec").asLong())
        : (OffsetSpec) OffsetSpec.class.getMethod(args.get("spec").asText()).invoke(null);
    var found = admin.listOffsets(Map.of(partition, spec)).partitionResult(partition).get();
    return Map.of("offset", found.offset(), "timestamp", found.timestamp());
  }

  static Object incrementalAlterConfigs(AdminClient admin, JsonNode args) throws Exception {
    var ops = new ArrayList<AlterConfigOp>();
    for (JsonNode op : args.get("ops")) {
      var type = AlterConfigOp.OpType.valueOf(op.get("op").asText().toUpperCase(Locale.ROOT));
      ops.add(new AlterConfigOp(new ConfigEntry(op.get("name").asText(), op.path("value").asText("")), type));
    }
    admin.incrementalAlterConfigs(Map.of(AdminCalls.resource(args), ops)).all().get();
    return null;
  }

  static Object describeFeatures(AdminClient admin, JsonNode args) throws Exception {
    var finalized = new HashMap<String, Object>();
    admin.describeFeatures().featureMetadata().get().finalizedFeatures()
        .forEach((name, range) -> finalized.put(name, range.maxVersionLevel()));
    return Map.of("finalized", finalized);
  }

  static void register(Map<String, Driver.Op> ops, AdminClient admin) {
    ops.put("listOffsets", args -> listOffsets(admin, args));
    for (String kind : kinds()) ops.put("listOffsets." + kind, args -> listOffsets(admin, args));
    ops.put("incrementalAlterConfigs", args -> incrementalAlterConfigs(admin, args));
    ops.put("describeFeatures", args -> describeFeatures(admin, args));
  }
}

import java.util.Map;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;

/** What version 4.0 took out. */
class AdminUntil39 {
  static void register(Map<String, Driver.Op> ops, AdminClient admin) {
    ops.put("alterConfigs", args -> {
      var entries = AdminCalls.strings(args.get("configs")).entrySet().stream();
      var config = new Config(entries.map(e -> new ConfigEntry(e.getKey(), e.getValue())).collect(Collectors.toList()));
      admin.alterConfigs(Map.of(AdminCalls.resource(args), config)).all().get();
      return null;
    });
  }
}

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.AdminClient;

class AdminSince41 {
  static void register(Map<String, Driver.Op> ops, AdminClient admin) {
    ops.put("listConfigResources", args -> {
      var resources = new ArrayList<Object>();
      for (var found : admin.listConfigResources().all().get()) resources.add(List.of(found.type().name(), found.name()));
      return Map.of("resources", resources);
    });
  }
}

import com.fasterxml.jackson.databind.JsonNode;
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;

/** Groups and their offsets, as the newest admin client asks for them. */
class AdminGroups {
  static List<String> texts(JsonNode array) {
    var texts = new ArrayList<String>();
    if (array != null) array.forEach(text -> texts.add(text.asText()));
    return texts;
  }

  static TopicPartition partition(String name) {
    int slash = name.lastIndexOf('/');
    return new TopicPartition(name.substring(0, slash), Integer.parseInt(name.substring(slash + 1)));
  }

  static String name(TopicPartition partition) { return partition.topic() + "/" + partition.partition(); }

  static Object list(AdminClient admin, JsonNode args) throws Exception {
    var options = new ListGroupsOptions();
    var types = new HashSet<GroupType>();
    for (String type : texts(args.get("types"))) types.add(GroupType.parse(type));
    var states = new HashSet<GroupState>();
    for (String state : texts(args.get("states"))) states.add(GroupState.parse(state));
    if (!types.isEmpty()) options.withTypes(types);
    if (!states.isEmpty()) options.inGroupStates(states);
    var groups = new ArrayList<Object>();
    for (var group : admin.listGroups(options).all().get()) {
      var type = group.type().map(GroupType::toString).orElse("");
      var state = group.groupState().map(GroupState::toString).orElse("");
      groups.add(List.of(group.groupId(), type, group.protocol(), state));
    }
    return Map.of("groups", groups);
  }

  static Object members(Collection<MemberDescription> members) {
    var described = new ArrayList<Object>();
    for (var member : members) {
      var partitions = member.assignment().topicPartitions().stream().map(AdminGroups::name).sorted().toList();
      var fields = new HashMap<String, Object>(Map.of("clientId", member.clientId(), "host", member.host(), "partitions", partitions));
      member.groupInstanceId().ifPresent(id -> fields.put("instanceId", id));
      member.memberEpoch().ifPresent(epoch -> fields.put("epoch", epoch));
      member.upgraded().ifPresent(upgraded -> fields.put("upgraded", upgraded));
      described.add(fields);
    }
    return described;
  }

  static Object describeConsumer(AdminClient admin, JsonNode args) throws Exception {
    String group = args.get("group").asText();
    var found = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
    var fields = new HashMap<String, Object>(Map.of("type", found.type().toString(), "state", found.groupState().toString(),
        "assignor", found.partitionAssignor(), "simple", found.isSimpleConsumerGroup(), "members", members(found.members()),
        "coordinator", found.coordinator().id()));
    found.groupEpoch().ifPresent(epoch -> fields.put("groupEpoch", epoch));
    found.targetAssignmentEpoch().ifPresent(epoch -> fields.put("targetAssignmentEpoch", epoch));
    return fields;
  }

  static Object describeClassic(AdminClient admin, JsonNode args) throws Exception {
    String group = args.get("group").asText();
    var found = admin.describeClassicGroups(List.of(group)).all().get().get(group);
    return Map.of("state", found.state().toString(), "protocol", found.protocol(), "protocolData", found.protocolData(),
        "members", members(found.members()));
  }

  static Object committed(AdminClient admin, JsonNode args) throws Exception {
    String group = args.get("group").asText();
    var offsets = new TreeMap<String, Object>();
    admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().forEach((partition, at) -> {
      if (at != null) offsets.put(name(partition), Arrays.asList(at.offset(), at.metadata(), at.leaderEpoch().orElse(null)));
    });
    return Map.of("offsets", offsets);
  }

  static Object alter(AdminClient admin, JsonNode args) throws Exception {
    var offsets = new HashMap<TopicPartition, OffsetAndMetadata>();
    args.get("offsets").fields().forEachRemaining(field -> offsets.put(partition(field.getKey()),
        new OffsetAndMetadata(field.getValue().get(0).asLong(), Optional.empty(), field.getValue().get(1).asText())));
    admin.alterConsumerGroupOffsets(args.get("group").asText(), offsets).all().get();
    return null;
  }

  static Object deleteOffsets(AdminClient admin, JsonNode args) throws Exception {
    var partitions = new HashSet<TopicPartition>();
    for (String name : texts(args.get("partitions"))) partitions.add(partition(name));
    admin.deleteConsumerGroupOffsets(args.get("group").asText(), partitions).all().get();
    return null;
  }

  static Object deleteGroup(AdminClient admin, JsonNode args) throws Exception {
    admin.deleteConsumerGroups(List.of(args.get("group").asText())).all().get();
    return null;
  }

  static Object removeMembers(AdminClient admin, JsonNode args) throws Exception {
    var removed = new ArrayList<MemberToRemove>();
    for (String id : texts(args.get("instanceIds"))) removed.add(new MemberToRemove(id));
    var options = removed.isEmpty() ? new RemoveMembersFromConsumerGroupOptions() : new RemoveMembersFromConsumerGroupOptions(removed);
    admin.removeMembersFromConsumerGroup(args.get("group").asText(), options).all().get();
    return null;
  }

  static void register(Map<String, Driver.Op> ops, AdminClient admin) {
    ops.put("listGroups", args -> list(admin, args));
    ops.put("describeConsumerGroup", args -> describeConsumer(admin, args));
    ops.put("describeClassicGroup", args -> describeClassic(admin, args));
    ops.put("committedOffsets", args -> committed(admin, args));
    ops.put("alterCommittedOffsets", args -> alter(admin, args));
    ops.put("deleteCommittedOffsets", args -> deleteOffsets(admin, args));
    ops.put("deleteGroup", args -> deleteGroup(admin, args));
    ops.put("removeMembers", args -> removeMembers(admin, args));
  }
}

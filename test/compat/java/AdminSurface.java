// What Kafka's own Admin makes of the administration that is not about topics, configs or groups, for
// admin-surface.suite.ts: a line for each call, its name and what it gave, or the exception.
import java.time.Duration;
import java.util.*;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.*;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class AdminSurface {
  static final String TOPIC = "surface";

  static void call(String name, Callable<Object> call) {
    try {
      System.out.println(name + " " + call.call());
    } catch (ExecutionException e) {
      System.out.println(name + " ! " + e.getCause().getClass().getSimpleName() + ": " + e.getCause().getMessage());
    } catch (Exception e) {
      System.out.println(name + " ! " + e.getClass().getSimpleName() + ": " + e.getMessage());
    }
  }

  public static void main(String[] args) throws Exception {
    // No call here takes long, so that one which is not answered is soon an error.
    Map<String, Object> config = Map.of("bootstrap.servers", args[0], "request.timeout.ms", 10_000);
    var patient = new HashMap<>(config);
    patient.put("default.api.timeout.ms", 20_000);
    var tp = new TopicPartition(TOPIC, 0);
    try (var admin = Admin.create(patient)) {
      admin.createTopics(List.of(new NewTopic(TOPIC, 2, (short) 1))).all().get();
      try (var producer = new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer())) {
        for (int i = 0; i < 3; i++) producer.send(new ProducerRecord<>(TOPIC, 0, null, new byte[100])).get();
        call("clientInstanceId", () -> producer.clientInstanceId(Duration.ofSeconds(20)).equals(Uuid.ZERO_UUID));
      }
      call("describeProducers", () -> {
        var states = admin.describeProducers(List.of(tp)).partitionResult(tp).get().activeProducers();
        var state = states.get(0);
        return states.size() + " " + state.producerEpoch() + " " + state.lastSequence() + " " + state.currentTransactionStartOffset();
      });
      call("describeLogDirs", () -> {
        var dirs = admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1);
        var dir = dirs.values().iterator().next();
        boolean space = dir.totalBytes().getAsLong() > dir.usableBytes().getAsLong();
        return dirs.size() + " " + (dir.replicaInfos().get(tp).size() > 300) + " " + space;
      });
      call("describeReplicaLogDirs", () -> {
        var replica = new TopicPartitionReplica(TOPIC, 0, 1);
        var info = admin.describeReplicaLogDirs(List.of(replica)).all().get().get(replica);
        admin.alterReplicaLogDirs(Map.of(replica, info.getCurrentReplicaLogDir())).all().get();
        return info.getFutureReplicaLogDir();
      });
      call("alterReplicaLogDirs", () ->
          admin.alterReplicaLogDirs(Map.of(new TopicPartitionReplica(TOPIC, 0, 1), "/nowhere")).all().get());
      call("electLeaders", () -> admin.electLeaders(ElectionType.PREFERRED, Set.of(tp)).partitions().get().get(tp).get().getClass().getSimpleName());
      call("electAllLeaders", () -> admin.electLeaders(ElectionType.PREFERRED, null).partitions().get());
      call("alterPartitionReassignments", () ->
          admin.alterPartitionReassignments(Map.of(tp, Optional.of(new NewPartitionReassignment(List.of(1))))).all().get());
      call("cancelReassignment", () -> admin.alterPartitionReassignments(Map.of(tp, Optional.empty())).all().get());
      call("listPartitionReassignments", () -> admin.listPartitionReassignments().reassignments().get());
      call("describeMetadataQuorum", () -> {
        var quorum = admin.describeMetadataQuorum().quorumInfo().get();
        var voter = quorum.voters().get(0);
        return quorum.leaderId() + " " + quorum.voters().size() + " " + quorum.observers().size() + " " + (voter.logEndOffset() == quorum.highWatermark());
      });
      call("describeFeatures", () -> admin.describeFeatures().featureMetadata().get().finalizedFeatures());
      call("updateFeatures", () -> {
        var update = new FeatureUpdate((short) 30, FeatureUpdate.UpgradeType.UPGRADE);
        admin.updateFeatures(Map.of("metadata.version", update), new UpdateFeaturesOptions()).all().get();
        return admin.describeFeatures().featureMetadata().get().finalizedFeatures().get("metadata.version");
      });
      call("updateUnknownFeature", () ->
          admin.updateFeatures(Map.of("no.such", new FeatureUpdate((short) 1, FeatureUpdate.UpgradeType.UPGRADE)), new UpdateFeaturesOptions()).all().get());
      call("describeClientQuotas", () -> admin.describeClientQuotas(ClientQuotaFilter.all()).entities().get());
      call("alterClientQuotas", () -> {
        var entity = new ClientQuotaEntity(Map.of("client-id", "c"));
        var quota = new ClientQuotaAlteration(entity, List.of(new ClientQuotaAlteration.Op("producer_byte_rate", 1000.0)));
        return admin.alterClientQuotas(List.of(quota)).all().get();
      });
      call("describeUserScramCredentials", () -> admin.describeUserScramCredentials().all().get());
      call("describeAcls", () -> admin.describeAcls(AclBindingFilter.ANY).values().get());
      call("describeDelegationToken", () -> admin.describeDelegationToken().delegationTokens().get());
      call("listTransactions", () -> admin.listTransactions().all().get());
      call("describeTransactions", () -> admin.describeTransactions(List.of("x")).all().get());
      call("listClientMetricsResources", () -> {
        var metrics = new ConfigResource(ConfigResource.Type.CLIENT_METRICS, "m");
        var op = new AlterConfigOp(new ConfigEntry("metrics", "*"), AlterConfigOp.OpType.SET);
        admin.incrementalAlterConfigs(Map.of(metrics, List.of(op))).all().get();
        return admin.listConfigResources(Set.of(ConfigResource.Type.CLIENT_METRICS), new ListConfigResourcesOptions()).all().get();
      });
      call("unregisterBroker", () -> admin.unregisterBroker(7).all().get());
      call("addRaftVoter", () -> admin.addRaftVoter(2, Uuid.ONE_UUID, Set.of(new RaftVoterEndpoint("C", "127.0.0.1", 9))).all().get());
    }
  }
}

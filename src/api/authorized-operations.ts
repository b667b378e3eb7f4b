/** What a client may do with a resource, as a bit per Kafka AclOperation: without an authorizer, all that the resource knows. */
const AclOperation = {
  read: 3,
  write: 4,
  create: 5,
  delete: 6,
  alter: 7,
  describe: 8,
  clusterAction: 9,
  describeConfigs: 10,
  alterConfigs: 11,
  idempotentWrite: 12,
} as const

const bits = (...operations: number[]): number => operations.reduce((all, each) => all | (1 << each), 0)

const { read, write, create, alter, describe, describeConfigs, alterConfigs } = AclOperation

export const topicOperations = bits(
  read,
  write,
  create,
  AclOperation.delete,
  alter,
  describe,
  describeConfigs,
  alterConfigs,
)
export const groupOperations = bits(read, describe, AclOperation.delete, describeConfigs, alterConfigs)
export const clusterOperations = bits(
  create,
  alter,
  describe,
  AclOperation.clusterAction,
  describeConfigs,
  alterConfigs,
  AclOperation.idempotentWrite,
)

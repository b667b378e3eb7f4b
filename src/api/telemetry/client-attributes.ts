import type { Uuid } from '../../protocol/index.ts'
import type { RequestContext } from '../serve.ts'
import type { ClientAttributes } from './subscriptions.ts'

/** What a request tells of its client. */
export const attributesOf = (id: Uuid, context: RequestContext): ClientAttributes => ({
  client_instance_id: id,
  client_id: context.clientId ?? undefined,
  client_software_name: context.clientSoftware?.name,
  client_software_version: context.clientSoftware?.version,
  client_source_address: context.clientHost.replace(/^\//, ''),
  client_source_port: String(context.clientPort),
})

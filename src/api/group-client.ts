import type { ClientInfo } from '../coordinator/group/group.ts'
import type { RequestContext } from './serve.ts'

/** What a group keeps of who sent a request. */
export function groupClient({ clientId, clientHost, apiVersion }: RequestContext): ClientInfo {
  return { clientId: clientId ?? '', clientHost, apiVersion }
}

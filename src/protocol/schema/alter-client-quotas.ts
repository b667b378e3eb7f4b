import { array, boolean, defineApi, errorCode, float64, int32, nullable, string, struct } from '../notation.ts'

// Sets and removes quotas.
export const alterClientQuotas = defineApi({
  key: 49,
  name: 'AlterClientQuotas',
  versions: '0-1',
  flexible: '1+',
  request: {
    entries: {
      type: array(
        struct({
          entity: {
            type: array(
              struct({
                entityType: { type: string, since: 0 },
                entityName: { type: nullable(string), since: 0 },
              }),
            ),
            since: 0,
          },
          ops: {
            type: array(
              struct({
                key: { type: string, since: 0 },
                value: { type: float64, since: 0 },
                remove: { type: boolean, since: 0 },
              }),
            ),
            since: 0,
          },
        }),
      ),
      since: 0,
    },
    validateOnly: { type: boolean, since: 0 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    entries: {
      type: array(
        struct({
          errorCode: { type: errorCode, since: 0 },
          errorMessage: { type: nullable(string), since: 0 },
          entity: {
            type: array(
              struct({
                entityType: { type: string, since: 0 },
                entityName: { type: nullable(string), since: 0 },
              }),
            ),
            since: 0,
          },
        }),
      ),
      since: 0,
    },
  },
})

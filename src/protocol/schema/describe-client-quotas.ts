import { array, boolean, defineApi, errorCode, float64, int8, int32, nullable, string, struct } from '../notation.ts'

// Lists the quotas that match a filter of user, client id and address.
export const describeClientQuotas = defineApi({
  key: 48,
  name: 'DescribeClientQuotas',
  versions: '0-1',
  flexible: '1+',
  request: {
    components: {
      type: array(
        struct({
          entityType: { type: string, since: 0 },
          matchType: { type: int8, since: 0 },
          match: { type: nullable(string), since: 0 },
        }),
      ),
      since: 0,
    },
    strict: { type: boolean, since: 0 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    errorCode: { type: errorCode, since: 0 },
    errorMessage: { type: nullable(string), since: 0 },
    entries: {
      type: nullable(
        array(
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
            values: {
              type: array(
                struct({
                  key: { type: string, since: 0 },
                  value: { type: float64, since: 0 },
                }),
              ),
              since: 0,
            },
          }),
        ),
      ),
      since: 0,
    },
  },
})

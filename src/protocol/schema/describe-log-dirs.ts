import { array, boolean, defineApi, errorCode, int32, int64, nullable, string, struct } from '../notation.ts'

// Tells what each log directory of a broker holds, and its space.
export const describeLogDirs = defineApi({
  key: 35,
  name: 'DescribeLogDirs',
  versions: '1-5',
  flexible: '2+',
  request: {
    topics: {
      type: nullable(
        array(
          struct({
            topic: { type: string, since: 0 },
            partitions: { type: array(int32), since: 0 },
          }),
        ),
      ),
      since: 0,
    },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    errorCode: { type: errorCode, since: 3, ignorable: true },
    results: {
      type: array(
        struct({
          errorCode: { type: errorCode, since: 0 },
          logDir: { type: string, since: 0 },
          topics: {
            type: array(
              struct({
                name: { type: string, since: 0 },
                partitions: {
                  type: array(
                    struct({
                      partitionIndex: { type: int32, since: 0 },
                      partitionSize: { type: int64, since: 0 },
                      offsetLag: { type: int64, since: 0 },
                      isFutureKey: { type: boolean, since: 0 },
                    }),
                  ),
                  since: 0,
                },
              }),
            ),
            since: 0,
          },
          totalBytes: { type: int64, since: 4, ifAbsent: -1, ignorable: true },
          usableBytes: { type: int64, since: 4, ifAbsent: -1, ignorable: true },
          isCordoned: { type: boolean, since: 5, ignorable: true },
        }),
      ),
      since: 0,
    },
  },
})

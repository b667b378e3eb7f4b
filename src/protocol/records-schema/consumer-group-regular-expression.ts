import { array, defineRecord, int64, string } from '../notation.ts'

// The topics that a subscribed regular expression stands for.
export const consumerGroupRegularExpressionRecord = defineRecord({
  type: 16,
  name: 'ConsumerGroupRegularExpression',
  key: {
    groupId: { type: string, since: 0 },
    regularExpression: { type: string, since: 0 },
  },
  versions: '0',
  flexible: '0+',
  value: {
    topics: { type: array(string), since: 0 },
    version: { type: int64, since: 0 },
    timestamp: { type: int64, since: 0 },
  },
})

import { array, boolean, defineApi, errorCode, int8, int32, nullable, string, struct } from '../notation.ts'

// Reads the configuration of topics, brokers and other resources, with sources and synonyms.
export const describeConfigs = defineApi({
  key: 32,
  name: 'DescribeConfigs',
  versions: '1-4',
  flexible: '4+',
  request: {
    resources: {
      type: array(
        struct({
          resourceType: { type: int8, since: 0 },
          resourceName: { type: string, since: 0 },
          configurationKeys: { type: nullable(array(string)), since: 0 },
        }),
      ),
      since: 0,
    },
    includeSynonyms: { type: boolean, since: 1 },
    includeDocumentation: { type: boolean, since: 3 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    results: {
      type: array(
        struct({
          errorCode: { type: errorCode, since: 0 },
          errorMessage: { type: nullable(string), since: 0 },
          resourceType: { type: int8, since: 0 },
          resourceName: { type: string, since: 0 },
          configs: {
            type: array(
              struct({
                name: { type: string, since: 0 },
                value: { type: nullable(string), since: 0 },
                readOnly: { type: boolean, since: 0 },
                configSource: { type: int8, since: 1, ifAbsent: -1, ignorable: true },
                isSensitive: { type: boolean, since: 0 },
                synonyms: {
                  type: array(
                    struct({
                      name: { type: string, since: 1 },
                      value: { type: nullable(string), since: 1 },
                      source: { type: int8, since: 1 },
                    }),
                  ),
                  since: 1,
                  ignorable: true,
                },
                configType: { type: int8, since: 3, ignorable: true },
                documentation: { type: nullable(string), since: 3, ignorable: true },
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
